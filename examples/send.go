// go run send.go URL SECRET ID < body: signs exactly these bytes, posts them, prints the answer. 1 if it is no 2xx.
// ID names the event and stays the same when it is sent again, so that the event runs once.
package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	key, err := base64.StdEncoding.DecodeString(os.Args[2])
	check(err)
	body, err := io.ReadAll(os.Stdin)
	check(err)
	mac := hmac.New(sha256.New, key)
	mac.Write(body)
	request, err := http.NewRequest("POST", os.Args[1], bytes.NewReader(body)) // the bytes that were signed
	check(err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Hub-Signature-256", fmt.Sprintf("sha256=%x", mac.Sum(nil)))
	request.Header.Set("Idempotency-Key", os.Args[3])
	client := http.Client{Timeout: 30 * time.Second}
	answer, err := client.Do(request)
	check(err)
	text, err := io.ReadAll(answer.Body)
	check(err)
	fmt.Println(answer.StatusCode, string(text))
	if answer.StatusCode/100 != 2 {
		os.Exit(1)
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
