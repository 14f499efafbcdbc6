"""python3 standard-webhooks.py SECRET ID [TIMESTAMP] < body: prints the three headers that sign exactly these bytes.

ID names the event and stays the same when it is sent again; TIMESTAMP is the time of this attempt, by default now.
"""

import base64
import hashlib
import hmac
import sys
import time

key = base64.b64decode(sys.argv[1].removeprefix("whsec_"), validate=True)  # the key is the bytes after whsec_
message_id = sys.argv[2]
timestamp = sys.argv[3] if len(sys.argv) > 3 else str(int(time.time()))
body = sys.stdin.buffer.read()  # bytes, not text: sign what goes over the wire
signed = f"{message_id}.{timestamp}.".encode() + body
signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
print(f"webhook-id: {message_id}\nwebhook-timestamp: {timestamp}\nwebhook-signature: v1,{signature}")
