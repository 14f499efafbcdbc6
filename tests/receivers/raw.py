"""Verifies a hex signature over the bytes: a JSON object {secret, signature, body} a line, a verdict a line."""

import hashlib
import hmac
import json
import sys

for line in sys.stdin:
    case = json.loads(line)
    expected = hmac.new(case["secret"].encode(), case["body"].encode(), hashlib.sha256).hexdigest()
    print("genuine" if hmac.compare_digest(case["signature"], expected) else "forged")
