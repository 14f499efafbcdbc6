"""Verifies with the library of Standard Webhooks: a JSON object {secret, headers, body} a line, a verdict a line."""

import json
import sys

from standardwebhooks.webhooks import Webhook

for line in sys.stdin:
    case = json.loads(line)
    try:
        Webhook(case["secret"]).verify(case["body"].encode(), case["headers"])
        print("genuine")
    except Exception as error:
        print(type(error).__name__)
