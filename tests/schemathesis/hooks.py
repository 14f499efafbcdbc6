"""What Schemathesis cannot know of this API."""

import base64
import hashlib
import hmac
import os
import uuid

import requests
import schemathesis

SECRET = base64.b64decode(os.environ["AGENTHOOK_TEST_WEBHOOK_SECRET"])
OWN = {os.environ["AGENTHOOK_TEST_AGENT"], os.environ["AGENTHOOK_TEST_KEY_ID"]}


class Signed(requests.auth.AuthBase):
    """Signs a webhook over the bytes that go out."""

    def __call__(self, request):
        body = request.body or b""
        if isinstance(body, str):
            body = body.encode()
        signature = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
        request.headers["X-Hub-Signature-256"] = f"sha256={signature}"
        return request


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.operation.path.startswith("/webhook/"):
        kwargs["auth"] = Signed()
    elif case.method.upper() != "GET" and not case.operation.path.endswith("/test"):
        # It would delete the key that it asks with, and all that comes after were 401; and the webhook's agent.
        for name, value in (case.path_parameters or {}).items():
            if value in OWN:
                case.path_parameters[name] = str(uuid.UUID(int=0))
