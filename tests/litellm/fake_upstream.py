"""The provider behind LiteLLM in the integration tests: an OpenAI-compatible server that misbehaves on demand.

The model's name selects what happens (BEHAVIOURS below is the list). Python's standard library only.

    python3 fake_upstream.py [--port N] [--slow-seconds S]     port 0, the default, takes a free one; the URL is printed

    POST /chat/completions, /v1/chat/completions
    GET  /calls[?model=NAME][&contains=TEXT]
         {"total": 3, "by_model": {"echo-model": 3}, "last": [{"model", "path", "headers", "body"}, ...]}
         newest last. Tests run side by side and share the counters, so put something unique in a prompt and ask for
         the calls that contain it.
"""

import argparse
import json
import sys
import threading
import time
from collections import Counter, deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

KEPT = 2000  # calls that /calls remembers
SLOW_SECONDS = 5.0


class Reply:
    """One HTTP answer; `body` is a JSON value or, for what is not JSON, bytes."""

    def __init__(self, body, status=200, **headers):
        self.status = status
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.headers = {"content-type": "application/json"}
        self.headers.update({name.replace("_", "-"): value for name, value in headers.items()})


def completion(call, content, usage=None, finish_reason="stop", **message):
    """A chat completion in OpenAI's shape."""
    return Reply(
        {
            "id": f"chatcmpl-fake-{time.time_ns()}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": call["model"],
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": content, **message},
                    "finish_reason": finish_reason,
                }
            ],
            "usage": usage or {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
        }
    )


def error(status, message, code=None, kind="invalid_request_error", **headers):
    """An error in OpenAI's shape."""
    return Reply({"error": {"message": message, "type": kind, "param": None, "code": code}}, status, **headers)


def slow(call):
    time.sleep(SLOW_SECONDS)
    return completion(call, "Better late than never.")


def echo(call):
    """What arrived, as the answer's text: tests read exactly what was sent."""
    return completion(call, json.dumps({"headers": call["headers"], "body": call["body"]}))


def usage_details(call):
    """Cached tokens are part of the prompt's, reasoning tokens part of the completion's."""
    usage = {
        "prompt_tokens": 1200,
        "completion_tokens": 300,
        "total_tokens": 1500,
        "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 256, "audio_tokens": 0},
    }
    return completion(call, "Counted.", usage)


def tool_call(call):
    """An answer without text."""
    function = {"name": "close_ticket", "arguments": '{"ticket_id":"TKT-123"}'}
    calls = [{"id": "call_1", "type": "function", "function": function}]
    return completion(call, None, finish_reason="tool_calls", tool_calls=calls)


BEHAVIOURS = {
    "echo-model": echo,
    "slow-model": slow,
    "usage-details": usage_details,
    "tool-call-model": tool_call,
    "cut-off-model": lambda call: completion(call, "The ticket is about", finish_reason="length"),
    "huge-model": lambda call: completion(call, "x" * (8 << 20)),
    "garbage-model": lambda call: Reply(b"<html><h1>502 Bad Gateway</h1></html>", content_type="text/html"),
    "hang-up-model": lambda call: None,  # closes the connection without an answer
    "fails-then-falls-back": lambda call: error(500, "The server had an error.", kind="server_error"),
    "provider-401": lambda call: error(401, "Incorrect API key provided: sk-oper**ator.", "invalid_api_key"),
    "provider-403": lambda call: error(403, "Country, region, or territory not supported.", "unsupported_country"),
    "provider-404": lambda call: error(404, "The model `provider-404` does not exist.", "model_not_found"),
    "provider-429": lambda call: error(
        429, "Rate limit reached for requests.", "rate_limit_exceeded", "requests", retry_after="7"
    ),
    "provider-quota": lambda call: error(
        429, "You exceeded your current quota, please check your plan.", "insufficient_quota", "insufficient_quota"
    ),
    "provider-500": lambda call: error(500, "The server had an error.", kind="server_error"),
    "provider-503": lambda call: error(503, "The engine is overloaded.", kind="server_error", retry_after="3"),
    "context-window": lambda call: error(
        400,
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
        "context_length_exceeded",
    ),
    "content-policy": lambda call: error(
        400, "Your request was rejected as a result of our safety system.", "content_policy_violation"
    ),
}


class Calls:
    """What was asked so far."""

    def __init__(self):
        self._lock = threading.Lock()
        self._last = deque(maxlen=KEPT)

    def add(self, call):
        with self._lock:
            self._last.append(call)

    def report(self, model=None, contains=None):
        with self._lock:
            found = [
                call
                for call in self._last
                if (model is None or call["model"] == model)
                and (contains is None or contains in json.dumps(call["body"], ensure_ascii=False))
            ]
        return {"total": len(found), "by_model": Counter(call["model"] for call in found), "last": found}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keep connections, as real providers do
    disable_nagle_algorithm = True
    calls = Calls()

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path != "/calls":
            return self.send(error(404, f"no such path: {url.path}"))
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        self.send(Reply(self.calls.report(query.get("model"), query.get("contains"))))

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        if urlsplit(self.path).path.removeprefix("/v1") != "/chat/completions":
            return self.send(error(404, f"no such path: {self.path}"))
        body = json.loads(raw)
        headers = {name.lower(): value for name, value in self.headers.items()}
        call = {"model": body.get("model"), "path": self.path, "headers": headers, "body": body}
        self.calls.add(call)
        behaviour = BEHAVIOURS.get(call["model"])
        if behaviour is None:
            return self.send(error(404, f"The model `{call['model']}` does not exist.", "model_not_found"))
        self.send(behaviour(call))

    def send(self, reply):
        if reply is None:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(reply.body)))
        try:
            self.end_headers()
            self.wfile.write(reply.body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the caller gave up waiting: slow-model's usual end

    def log_message(self, *_):
        """/calls is the log."""


class Server(ThreadingHTTPServer):
    request_queue_size = 256

    def handle_error(self, request, client_address):
        """A caller that closed its connection is no news."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def main():
    global SLOW_SECONDS
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--slow-seconds", type=float, default=SLOW_SECONDS, help="how long slow-model takes")
    args = parser.parse_args()
    SLOW_SECONDS = args.slow_seconds
    server = Server(("127.0.0.1", args.port), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
