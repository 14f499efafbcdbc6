// go run receive.go SECRET [PORT [HEADER]]: takes agenthook's webhooks, verifies each and handles each event once.
// HEADER is where the endpoint's profile puts the signature: webhook-signature (the default), x-webhook-signature,
// x-hub-signature-256, x-hokusai-signature or x-mlflow-signature.
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	maxBody   = 2 << 20
	tolerance = 300 // seconds
)

var (
	secret, port, header = os.Args[1], "8080", "webhook-signature"

	mutex   sync.Mutex
	handled = map[string]bool{} // a table with a unique column, written in the same transaction as what the event changes
)

func mac(key []byte, parts ...[]byte) []byte {
	hash := hmac.New(sha256.New, key)
	for _, part := range parts {
		hash.Write(part)
	}
	return hash.Sum(nil)
}

func isGenuine(headers http.Header, body []byte) bool {
	found := headers.Get(header)
	if header != "webhook-signature" {
		expected := hex.EncodeToString(mac([]byte(secret), body)) // the secret's text, whsec_ and all
		return hmac.Equal([]byte(strings.TrimPrefix(found, "sha256=")), []byte(expected))
	}
	id, timestamp := headers.Get("webhook-id"), headers.Get("webhook-timestamp")
	at, err := strconv.ParseInt(timestamp, 10, 64)
	if now := time.Now().Unix(); err != nil || at < now-tolerance || at > now+tolerance {
		return false
	}
	key := []byte(secret)
	if strings.HasPrefix(secret, "whsec_") {
		if key, err = base64.StdEncoding.DecodeString(secret[6:]); err != nil {
			return false
		}
	}
	expected := "v1," + base64.StdEncoding.EncodeToString(mac(key, []byte(id+"."+timestamp+"."), body))
	for _, one := range strings.Split(found, " ") { // several while a secret is exchanged
		if hmac.Equal([]byte(one), []byte(expected)) {
			return true
		}
	}
	return false
}

// What is signed and the same on every attempt.
func idOf(headers http.Header, body []byte) string {
	if header == "webhook-signature" {
		return headers.Get("webhook-id")
	}
	var event struct {
		EventID        string `json:"event_id"`
		IdempotencyKey string `json:"idempotency_key"`
	}
	if json.Unmarshal(body, &event); event.EventID != "" {
		return event.EventID
	} else if event.IdempotencyKey != "" {
		return event.IdempotencyKey
	}
	hash := sha256.Sum256(body)
	return hex.EncodeToString(hash[:])
}

func receive(answer http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(answer, request.Body, maxBody)) // bytes, before anything parses them
	if err != nil {
		http.Error(answer, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	if !isGenuine(request.Header, body) {
		http.Error(answer, "invalid signature", http.StatusUnauthorized)
		return
	}
	mutex.Lock()
	defer mutex.Unlock()
	id := idOf(request.Header, body)
	if handled[id] {
		fmt.Fprint(answer, "seen before")
		return
	}
	fmt.Println(id, string(body)) // your work; if it takes long, store the event and do it later
	handled[id] = true
	fmt.Fprint(answer, "handled")
}

func main() {
	if len(os.Args) > 2 {
		port = os.Args[2]
	}
	if len(os.Args) > 3 {
		header = strings.ToLower(os.Args[3])
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, http.HandlerFunc(receive)))
}
