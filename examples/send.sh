#!/bin/sh
# sh send.sh URL SECRET ID < body: signs exactly these bytes, posts them, prints the answer. 1 if it is no 2xx.
# ID names the event and stays the same when it is sent again, so that the event runs once. Needs curl and sign.sh.
set -eu
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/body"
header=$(sh "$here/sign.sh" "$2" < "$work/body")
# --data-binary sends the bytes that were signed; --data would drop line ends.
status=$(curl -sS --max-time 30 -o "$work/answer" -w '%{http_code}' --data-binary "@$work/body" \
  -H 'Content-Type: application/json' -H "$header" -H "Idempotency-Key: $3" "$1")
printf '%s %s\n' "$status" "$(cat "$work/answer")"
[ "${status%??}" = 2 ]
