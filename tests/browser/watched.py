"""A Chromium that knows one server, and remembers what must never happen while anybody looks at its pages.

What must never happen: a request to anybody else, a dialog, an error or a breach of the policy in the console, a script
that fails, an answer that the story does not expect.
"""

import json
import os
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

SHOTS = Path(__file__).resolve().parents[2] / "target" / "browser"
# Nothing of Chromium's own goes out, and no name is looked up but this machine's.
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
# Beside what Chromium writes into the console itself.
TELL_BREACHES = """document.addEventListener('securitypolicyviolation', event =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`))"""
# The answers' statuses are looked at themselves.
OF_A_STATUS = "Failed to load resource: the server responded with a status of"


def chromium():
    """The system's browser: Playwright's own cannot be fetched everywhere."""
    names = ["chromium", "chromium-browser", "google-chrome"]
    found = os.environ.get("AGENTHOOK_TEST_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    return found or sys.exit("no Chromium is installed: its package is `chromium` on Debian")


class Watched:
    """The browser; `complaints` is what went wrong."""

    def __init__(self, playwright, server):
        self.server = server
        self.known = [server]
        self.complaints = []
        self.expected = set()
        self.unwatched = []
        self.browser = playwright.chromium.launch(
            executable_path=chromium(),
            args=FLAGS,
            # Chromium's own sandbox does not work as root.
            chromium_sandbox=os.geteuid() != 0,
        )

    def visitor(self, **settings):
        """Somebody with cookies of their own; a page of theirs."""
        settings = {"viewport": {"width": 1280, "height": 900}, "service_workers": "block", **settings}
        context = self.browser.new_context(base_url=self.server, **settings)
        context.set_default_timeout(60_000)
        context.add_init_script(TELL_BREACHES)
        context.route("**/*", self.let_through)
        context.on("page", self.watch)
        return context.new_page()

    def let_through(self, route):
        url = route.request.url
        if any(url == known or url.startswith(f"{known}/") for known in self.known):
            route.continue_()
        else:
            self.complaints.append(f"a request leaves: {route.request.method} {url}")
            route.abort()

    def watch(self, page):
        def complain(what):
            if page not in self.unwatched:
                self.complaints.append(f"{page.url}: {what}")

        def dialog(dialog):
            complain(f"a dialog: {dialog.type} {dialog.message}")
            dialog.dismiss()

        def console(message):
            if message.type == "error" and not message.text.startswith(OF_A_STATUS):
                complain(f"in the console: {message.text}")

        def response(answer):
            if answer.status >= 400 and answer.status not in self.expected:
                complain(f"{answer.status} from {answer.request.method} {answer.url}")

        page.on("dialog", dialog)
        page.on("console", console)
        page.on("pageerror", lambda error: complain(f"a script fails: {error}"))
        page.on("response", response)
        page.on("websocket", lambda socket: complain(f"a socket: {socket.url}"))

    @contextmanager
    def expecting(self, *statuses):
        """For what the server has to refuse."""
        self.expected |= set(statuses)
        yield
        self.expected -= set(statuses)

    def shoot(self, name):
        """Pictures of all that is open; where they are."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        pages = [page for context in self.browser.contexts for page in context.pages if not page.is_closed()]
        shots = [str(SHOTS / f"{name}-{number}.png") for number, page in enumerate(pages)]
        for page, shot in zip(pages, shots):
            page.screenshot(path=shot, full_page=True)
        return shots


@contextmanager
def story():
    """What the story was told on standard input, and its browser. Fails if there is a complaint in the end."""
    told, name = json.load(sys.stdin), Path(sys.argv[0]).stem
    with sync_playwright() as playwright:
        watched = Watched(playwright, told["url"])
        try:
            yield told, watched
            assert not watched.complaints, "\n".join(["it has complaints:", *watched.complaints])
        except BaseException:
            print("\n".join(["what was seen:", *watched.shoot(name)]), file=sys.stderr)
            print("\n".join(watched.complaints), file=sys.stderr)
            raise
        finally:
            watched.browser.close()
