"""Makes the README's pictures: `scripts/screenshots.sh` runs this. A real server, a day that is made up.

The executions, their calls and deliveries are real ones, of an LLM that this program plays; what the charts show of the
hours before is written into the database, because nobody waits for it.
"""

import base64
import hashlib
import hmac
import json
import math
import os
import random
import sqlite3
import subprocess
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from playwright.sync_api import sync_playwright

from visit import sign_in
from watched import Watched

ROOT = Path(__file__).resolve().parents[2]
KEY = "ahk_screenshots-0123456789-0123456789"
TICKETS = [
    ("T-2041", "Export hangs at 80 %", "bug", "high"),
    ("T-2042", "Invoice has the wrong address", "billing", "medium"),
    ("T-2043", "How do I add a colleague?", "question", "low"),
    ("T-2044", "Sign-in fails since this morning", "bug", "high"),
    ("T-2045", "Please delete my account", "privacy", "medium"),
]
luck = random.Random(7)


class Model(BaseHTTPRequestHandler):
    """Answers completions as LiteLLM does, and takes deliveries."""

    def do_POST(self):
        call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/hook":
            return self.say(204, b"")
        text = call["messages"][-1]["content"]
        time.sleep(luck.uniform(0.2, 1.1))
        if "T-2044" in text and "invoice" in call["model"]:
            refused = {"message": "litellm.BadRequestError: the context window is exceeded", "type": "invalid_request_error"}
            return self.say(400, json.dumps({"error": {**refused, "param": None, "code": "400"}}).encode())
        number, title, kind, priority = next(ticket for ticket in TICKETS if ticket[0] in text)
        output = {"ticket_id": number, "kind": kind, "priority": priority, "summary": f"{title}.", "team": "support-eu"}
        tokens = {"prompt_tokens": luck.randint(180, 260), "completion_tokens": luck.randint(38, 64)}
        message = {"role": "assistant", "content": json.dumps(output)}
        answer = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "model": call["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {**tokens, "total_tokens": sum(tokens.values())},
        }
        cost = tokens["prompt_tokens"] * 1.5e-7 + tokens["completion_tokens"] * 6e-7
        self.say(200, json.dumps(answer).encode(), {"x-litellm-response-cost": f"{cost:.9f}"})

    def say(self, status, body, headers=()):
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": len(body), **dict(headers)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Api:
    """The server's API, for its admin."""

    def __init__(self, url):
        self.url = url
        self.http = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self, path, body=None, headers=()):
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", **dict(headers)}
        with self.http.open(urllib.request.Request(self.url + path, data, headers)) as answer:
            return json.loads(answer.read() or "null")

    def hook(self, agent, payload):
        body = json.dumps(payload).encode()
        key = base64.b64decode(agent["webhook_secret"])
        signature = "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()
        path = f"/webhook/agents/{agent['agent_id']}/webhook"
        return self.ask(path, body, {"X-Hub-Signature-256": signature})["execution_id"]

    def until(self, path, is_so):
        for _ in range(600):
            try:
                if is_so(answer := self.ask(path)):
                    return answer
            except OSError:
                pass
            time.sleep(0.1)
        raise TimeoutError(path)


@contextmanager
def server(data, model):
    """The program that cargo has built, on a free port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Model) as free:
        bind = f"127.0.0.1:{free.server_port}"
    env = {
        "AGENTHOOK_BIND": bind,
        "AGENTHOOK_DATA_DIR": data,
        "AGENTHOOK_ADMIN_KEY": KEY,
        "AGENTHOOK_EGRESS_ALLOW": "127.0.0.0/8",
        "LITELLM_BASE_URL": model,
        "LITELLM_API_KEY": "sk-screenshots",
    }
    process = subprocess.Popen([ROOT / "target/debug/agenthook", "serve"], cwd=data, env=env, stdout=subprocess.DEVNULL)
    try:
        api = Api(f"http://{bind}")
        api.until("/readyz", lambda _: True)
        yield api
    finally:
        process.terminate()
        process.wait()


def a_busy_moment(api, model):
    """Three agents at work, a receiver that is up and one that is not; the execution to look at."""
    for tenant in ("acme", "globex"):
        api.ask("/api/v1/tenants", {"tenant_id": tenant})
    schema = {"type": "object", "required": ["ticket_id", "title"]}
    trigger = {"type": "webhook", "payload_schema": schema}
    agents = [
        api.ask("/api/v1/agents", {
            "tenant_id": tenant, "name": name, "llm_config": {"model": llm, "temperature": 0.2}, "trigger": trigger,
            "system_prompt": "You triage support tickets. Answer with JSON: kind, priority, summary, team.",
        })
        for tenant, name, llm in [
            ("acme", "Ticket triage", "gpt-4o-mini"),
            ("acme", "Invoice questions", "invoice-tuned"),
            ("globex", "Night desk", "gpt-4o-mini"),
        ]
    ]  # fmt: skip
    for tenant, url in [("acme", f"{model}/hook"), ("globex", "http://127.0.0.1:9/hook")]:
        hook = {"tenant_id": tenant, "url": url, "events": ["execution.completed", "execution.failed"], "retry": "fast"}
        api.ask("/api/v1/webhooks", hook)
    ids = []
    for number in range(15):
        ticket, title, *_ = TICKETS[number % len(TICKETS)]
        payload = {"ticket_id": ticket, "title": title, "from": f"customer-{number}@example.com"}
        ids.append(api.hook(agents[number % len(agents)], payload))
        time.sleep(0.2)
    api.until("/api/v1/executions?limit=20", lambda page: all(
        one["status"] in ("success", "failed") for one in page["executions"]))  # fmt: skip
    # Until it says that its delivery has arrived.
    shown = ids[-6]
    api.until(f"/api/v1/executions/{shown}/timeline", lambda line: "delivery" in json.dumps(line))
    time.sleep(2)
    return shown


def a_day_before(database):
    """What the charts of 24 hours add up, for all tenants: more by day than by night, and a bad half hour."""
    columns = "agent_id, tenant_id, grain, at, succeeded, failed, cancelled, prompt_tokens, completion_tokens, " \
        "cost_nano, unknown_costs, latencies"  # fmt: skip
    # Python's sqlite3 commits at the end of the block; the connection is closed after it.
    with sqlite3.connect(database, timeout=30) as connection:
        now = "SELECT max(at) FROM execution_stats WHERE grain = 'quarter_hour'"
        latest = datetime.fromisoformat(connection.execute(now).fetchone()[0])
        for quarters in range(1, 97):
            at = latest - timedelta(minutes=15 * quarters)
            runs = round(90 + 70 * math.sin((at.hour + at.minute / 60 - 8) / 24 * 2 * math.pi) + luck.uniform(-12, 12))
            failed = round(runs * (0.35 if 30 <= quarters <= 32 else luck.uniform(0, 0.04)))
            tokens = (runs * luck.randint(190, 240), runs * luck.randint(44, 58))
            cost = tokens[0] * 150 + tokens[1] * 600
            latencies = {}
            for _ in range(runs):
                ms = luck.lognormvariate(6.6, 0.45) * (3 if 30 <= quarters <= 32 else 1)
                bucket = 1 + math.floor(math.log2(ms) * 8)
                latencies[bucket] = latencies.get(bucket, 0) + 1
            row = (bytes(16), "", "quarter_hour", at.isoformat(), runs - failed, failed, 0, *tokens, cost, 0)
            marks = ", ".join("?" * 12)
            connection.execute(f"INSERT INTO execution_stats ({columns}) VALUES ({marks})", (*row, json.dumps(latencies)))
    connection.close()


def main():
    model = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    Thread(target=model.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{model.server_port}"
    with tempfile.TemporaryDirectory() as data, server(data, address) as api, sync_playwright() as playwright:
        shown = a_busy_moment(api, address)
        [database] = Path(data).glob("*.db")
        a_day_before(database)
        watched = Watched(playwright, api.url)
        page = watched.visitor(color_scheme="light", viewport={"width": 1200, "height": 1000})
        sign_in(page, KEY)
        for path, name in [("/?window=24h", "overview"), (f"/executions/{shown}", "execution")]:
            page.goto(path)
            file = ROOT / "docs" / f"{name}.png"
            page.screenshot(path=file)
            assert file.stat().st_size < 200_000, f"{file} is too large for a README"
            print(os.path.relpath(file, ROOT))
        watched.browser.close()
    assert not watched.complaints, watched.complaints


main()
