// go run standard-webhooks.go SECRET ID [TIMESTAMP] < body: prints the three headers that sign exactly these bytes.
// ID names the event and stays the same when it is sent again; TIMESTAMP is the time of this attempt, by default now.
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"
)

func main() {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(os.Args[1], "whsec_")) // the bytes after whsec_
	if err != nil {
		log.Fatal(err)
	}
	id, timestamp := os.Args[2], fmt.Sprint(time.Now().Unix())
	if len(os.Args) > 3 {
		timestamp = os.Args[3]
	}
	body, err := io.ReadAll(os.Stdin) // bytes: sign what goes over the wire
	if err != nil {
		log.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", id, timestamp)
	mac.Write(body)
	signature := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	fmt.Printf("webhook-id: %s\nwebhook-timestamp: %s\nwebhook-signature: v1,%s\n", id, timestamp, signature)
}
