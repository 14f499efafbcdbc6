"""python3 receive.py SECRET [PORT [HEADER]]: takes agenthook's webhooks, verifies each and handles each event once.

HEADER is where the endpoint's profile puts the signature: webhook-signature (the default), x-webhook-signature,
x-hub-signature-256, x-hokusai-signature or x-mlflow-signature.
"""

import base64
import hashlib
import hmac
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MAX_BODY = 2 << 20
TOLERANCE = 300  # seconds
secret = sys.argv[1]
port = int(sys.argv[2]) if len(sys.argv) > 2 else 8080
header = sys.argv[3].lower() if len(sys.argv) > 3 else "webhook-signature"
handled = set()  # a table with a unique column, written in the same transaction as what the event changes


def same(one, other):
    return hmac.compare_digest(one.encode(), other.encode())  # as bytes: text beyond ASCII would raise


def is_genuine(headers, body):
    found = headers.get(header, "")
    if header != "webhook-signature":
        expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()  # the secret's text, whsec_ and all
        return same(found.removeprefix("sha256="), expected)
    event_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > TOLERANCE:
        return False
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    signed = f"{event_id}.{timestamp}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(same(one, expected) for one in found.split(" "))  # several while a secret is exchanged


def id_of(headers, body):
    """What is signed and the same on every attempt."""
    if header == "webhook-signature":
        return headers["webhook-id"]
    event = json.loads(body)
    return event.get("event_id") or event.get("idempotency_key") or hashlib.sha256(body).hexdigest()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers.get("content-length", 0))
        if length > MAX_BODY:
            return self.answer(413, "too large")
        body = self.rfile.read(length)  # bytes, before anything parses them
        if not is_genuine(self.headers, body):
            return self.answer(401, "invalid signature")
        event_id = id_of(self.headers, body)
        if event_id in handled:
            return self.answer(200, "seen before")
        print(event_id, body.decode(), flush=True)  # your work; if it takes long, store the event and do it later
        handled.add(event_id)
        self.answer(200, "handled")

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
