"""An operator's day: in, a ticket that is run and replayed, a sender with a wrong secret, a receiver that was down, out."""

import subprocess

from visit import press, sign_in, sign_out
from watched import story

SIGN_AND_SEND = r"""
signature=$(printf %s "$BODY" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$(printf %s "$SECRET" | openssl base64 -d -A | od -An -vtx1 | tr -d ' \n')" -r | cut -d' ' -f1)
curl -sS --noproxy '*' -H "X-Hub-Signature-256: sha256=$signature" -H 'Content-Type: application/json' --data-binary "$BODY" "$URL"
"""
WRONG = "d3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmc="


def send(url, secret, body):
    """What a sender's shell does; the answer."""
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "URL": url, "SECRET": secret, "BODY": body}
    return subprocess.run(["sh", "-c", SIGN_AND_SEND], env=env, check=True, capture_output=True, text=True).stdout


def reload_until(page, locator):
    """For what happens behind a page that is not live."""
    while locator.count() == 0:
        page.wait_for_timeout(100)
        page.reload()


with story() as (told, watched):
    page = watched.visitor()
    sign_in(page, told["key"])

    # A ticket comes in, is opened and replayed.
    assert "queued" in send(told["agent_url"], told["secret"], '{"ticket": 1}')
    page.get_by_role("link", name="Executions", exact=True).click()
    reload_until(page, page.get_by_text("success", exact=True).and_(page.locator(".status")))
    page.locator("td a[href*='/executions/']").first.click()
    page.get_by_text('"ticket": 1').wait_for()
    page.get_by_text("triaged").wait_for()
    page.get_by_role("button", name="Replay").click()
    page.get_by_text("This is the new execution, of the same payload.").wait_for()

    # A sender with a wrong secret: the agent's page says what is wrong, and then it is right.
    send(told["agent_url"], WRONG, '{"ticket": 2}')
    page.get_by_role("link", name="Agents", exact=True).click()
    page.get_by_role("link", name="Triage").click()
    page.get_by_role("row", name="rejected").get_by_role("link").click()
    page.get_by_text("unknown", exact=True).wait_for()
    assert "queued" in send(told["agent_url"], told["secret"], '{"ticket": 2}')

    # A receiver was down; now it is not.
    page.get_by_role("link", name="Webhooks", exact=True).click()
    page.get_by_role("link", name=told["receiver"]).click()
    page.get_by_role("row", name="failed").get_by_role("link").click()
    page.get_by_text("out of order").wait_for()
    press(page, "Send again now")
    page.get_by_text("The delivery is due and goes at once.").wait_for()
    reload_until(page, page.get_by_role("heading", name="Attempt 2"))
    page.locator(".status.is-success").wait_for()

    sign_out(page)
