"""python3 send.py URL SECRET ID < body: signs exactly these bytes, posts them, prints the answer. 1 if it is no 2xx.

ID names the event and stays the same when it is sent again, so that the event runs once.
"""

import base64
import hashlib
import hmac
import sys
import urllib.error
import urllib.request

url, secret, event_id = sys.argv[1:]
body = sys.stdin.buffer.read()
signature = hmac.new(base64.b64decode(secret, validate=True), body, hashlib.sha256).hexdigest()
headers = {
    "Content-Type": "application/json",
    "X-Hub-Signature-256": "sha256=" + signature,
    "Idempotency-Key": event_id,
}
try:  # data=body: the bytes that were signed, not a dictionary that is serialized again
    with urllib.request.urlopen(urllib.request.Request(url, data=body, headers=headers), timeout=30) as answer:
        print(answer.status, answer.read().decode())
except urllib.error.HTTPError as answer:
    print(answer.code, answer.read().decode())
    sys.exit(1)
