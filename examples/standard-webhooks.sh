#!/bin/sh
# sh standard-webhooks.sh SECRET ID [TIMESTAMP] < body: prints the three headers that sign exactly these bytes.
# ID names the event and stays the same when it is sent again; TIMESTAMP is the time of this attempt, by default now.
# Needs openssl. While it runs, `ps` shows the key to other users: fine for a try, not for a shared machine.
set -eu
secret=${1#whsec_} id=$2 timestamp=${3:-$(date +%s)}
# The key is the bytes after whsec_; openssl wants hex. It drops what it cannot decode, so the length is checked.
key=$(printf '%s' "$secret" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
if [ -z "$key" ] || [ $((${#secret} % 4)) != 0 ]; then echo "$0: the secret is not whsec_ and base64" >&2; exit 1; fi
signature=$({ printf '%s.%s.' "$id" "$timestamp" && cat; } |
  openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | openssl base64 -A)
printf 'webhook-id: %s\nwebhook-timestamp: %s\nwebhook-signature: v1,%s\n' "$id" "$timestamp" "$signature"
