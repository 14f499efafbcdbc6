#!/bin/sh
# sh sign.sh SECRET < body: prints the header that signs exactly these bytes. Needs openssl.
# While openssl runs, `ps` shows the key to other users of the machine: fine for a try, not for a shared server.
set -eu
# The secret is base64; openssl wants hex. It drops what it cannot decode without a word, so the length is checked.
key=$(printf '%s' "$1" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
if [ -z "$key" ] || [ $((${#1} % 4)) != 0 ]; then echo "sign.sh: the secret is not base64" >&2; exit 1; fi
printf 'X-Hub-Signature-256: sha256=%s\n' "$(openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" | sed 's/.* //')"
