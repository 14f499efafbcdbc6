"""python3 sign.py SECRET < body: prints the header that signs exactly these bytes."""

import base64
import hashlib
import hmac
import sys

key = base64.b64decode(sys.argv[1], validate=True)  # the secret is base64; the key is the bytes it stands for
body = sys.stdin.buffer.read()  # bytes, not text: sign what goes over the wire
print("X-Hub-Signature-256: sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest())
