"""Another site: it frames nothing, sends nothing in somebody's name, and reads nothing.

It is on this machine too, and so one site with the server as far as cookies go (a port is no part of that): the browser
sends the session's cookie along, and the server alone is what stands in between. Under another name it is all foreign.
"""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from visit import sign_in
from watched import story

READ = """async ([url, init]) => {
  try { return await (await fetch(url, { credentials: 'include', ...init })).text() } catch (error) { return error.name }
}"""


class Site(BaseHTTPRequestHandler):
    """Any page that is asked for, with nothing on it."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Another site</title><p>Win a prize.")

    def log_message(self, *_):
        pass


site = ThreadingHTTPServer(("127.0.0.1", 0), Site)
Thread(target=site.serve_forever, daemon=True).start()


def frames_nothing(attack, server):
    attack.evaluate(
        """url => new Promise(done => {
          const frame = document.createElement('iframe');
          frame.src = url; frame.onload = done; frame.onerror = done;
          document.body.append(frame);
        })""",
        server,
    )
    shown = attack.frames[-1]
    assert not shown.url.startswith(server), f"it frames {shown.url}"


def sends_nothing(attack, server, path, fields):
    """As a form, which leaves the page, and by a script that does not read the answer."""
    there = attack.url
    with attack.expect_navigation() as arrived:
        attack.evaluate(
            """([action, fields]) => {
              const form = document.createElement('form');
              Object.assign(form, { method: 'post', action });
              for (const [name, value] of Object.entries(fields)) {
                const input = document.createElement('input');
                Object.assign(input, { type: 'hidden', name, value });
                form.append(input);
              }
              document.body.append(form);
              form.submit();
            }""",
            [server + path, fields],
        )
    # Or led to the door, where the browser kept the cookie for itself; and from there in, as any link does.
    refused = arrived.value.status == 403 or attack.url in (f"{server}/sign-in", f"{server}/")
    assert refused, f"{path}: {arrived.value.status} {attack.url}"
    attack.goto(there)
    attack.evaluate(READ, [server + path, {"method": "POST", "mode": "no-cors", "body": "csrf=" + fields.get("csrf", "")}])


def reads_nothing(attack, server, key):
    bearer = {"headers": {"Authorization": f"Bearer {key}"}}
    for path, init in [("/", {}), ("/executions", {}), ("/api/v1/executions", {}), ("/api/v1/executions", bearer)]:
        said = attack.evaluate(READ, [server + path, init])
        assert said == "TypeError", f"it reads {path}: {said}"


ours = f"http://127.0.0.1:{site.server_port}"
foreign = f"http://localhost:{site.server_port}"
with story() as (told, watched):
    watched.known += [ours, foreign]
    page = watched.visitor()
    sign_in(page, told["key"])
    csrf = page.locator("form[action='/sign-out'] [name=csrf]").get_attribute("value")
    attack = page.context.new_page()
    watched.unwatched.append(attack)
    for address in (ours, foreign):
        attack.goto(address)
        frames_nothing(attack, watched.server)
        for path in told["buttons"]:
            # Even with the token, had it come out somehow.
            sends_nothing(attack, watched.server, path, {"csrf": csrf})
        # Nor is anybody signed in as somebody else.
        sends_nothing(attack, watched.server, "/sign-in", {"key": told["other_key"], "next": "/"})
        reads_nothing(attack, watched.server, told["key"])
    page.goto("/")
    assert page.locator(".who").inner_text().startswith(told["name"]), "whoever it was is still signed in"
