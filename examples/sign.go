// go run sign.go SECRET < body: prints the header that signs exactly these bytes.
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"os"
)

func main() {
	key, err := base64.StdEncoding.DecodeString(os.Args[1]) // the secret is base64; the key is the bytes it stands for
	if err != nil {
		log.Fatal(err)
	}
	body, err := io.ReadAll(os.Stdin) // bytes: sign what goes over the wire
	if err != nil {
		log.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(body)
	fmt.Printf("X-Hub-Signature-256: sha256=%x\n", mac.Sum(nil))
}
