"""An operator's day: in, a new agent whose ticket is run and replayed, a secret that is rotated and a sender that does not
know it yet, a receiver that was down, out.
"""

import json
import subprocess

from visit import press, sign_in, sign_out
from watched import story


def pasted(program, secret):
    """What a shell prints that a copied program was pasted into."""
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "NO_PROXY": "*", "AGENTHOOK_SECRET": secret}
    done = subprocess.run(["sh", "-c", program], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def copied(page, button):
    """What is in the clipboard after a press of it."""
    button.click()
    page.get_by_role("button", name="Copied").wait_for()
    return page.evaluate("navigator.clipboard.readText()")


def go(page, section):
    page.get_by_role("navigation", name="Main").get_by_role("link", name=section, exact=True).click()
    page.get_by_role("heading", level=1, name=section).wait_for()


def reload_until(page, locator):
    """For what happens behind a page that is not live."""
    while locator.count() == 0:
        page.wait_for_timeout(100)
        page.reload()


with story() as (told, watched):
    page = watched.visitor(permissions=["clipboard-read", "clipboard-write"])
    sign_in(page, told["key"])

    # An agent is made. A schema that is none is said to be so while it is typed.
    go(page, "Agents")
    page.get_by_role("link", name="New agent").click()
    page.get_by_label("Name", exact=True).fill("Ticket triage")
    page.get_by_label("Model", exact=True).fill("gpt-4o-mini")
    page.get_by_label("System prompt").fill("You triage tickets.")
    schema = page.get_by_label("Payload schema")
    schema.press_sequentially('{"type": "objec"}')
    page.locator("#payload_schema-check.is-wrong").wait_for()
    schema.fill('{"type": "object", "properties": {"ticket_id": {"type": "integer"}}}')
    page.get_by_text("This can be used.").wait_for()
    press(page, "Create the agent")
    page.locator("#secret-1").wait_for()
    secret = copied(page, page.locator("[data-copy=secret-1]"))
    page.get_by_role("link", name="To the agent, and programs that send to it").click()
    page.get_by_role("heading", level=1, name="Ticket triage").wait_for()
    agent = page.url.split("#")[0]
    assert secret not in page.content(), "a secret is shown once"
    program = copied(page, page.locator("[data-copy=send-sh]"))

    # Its ticket comes in, and appears in a list that is open.
    go(page, "Executions")
    page.get_by_text("Updates as it happens.").wait_for()
    page.evaluate("window.isTheSame = true")
    execution_id = pasted(program, secret)["execution_id"]
    page.get_by_role("row", name=execution_id).filter(has_text="success").wait_for()
    assert page.evaluate("window.isTheSame"), "without being opened again"
    page.get_by_role("link", name=execution_id).click()
    page.locator("#payload ~ pre", has_text="ticket_id").wait_for()
    page.locator("#output ~ pre", has_text="triaged").wait_for()
    page.get_by_role("button", name="Replay").click()
    page.get_by_text("This is the new execution, of the same payload.").wait_for()
    assert execution_id not in page.url
    page.get_by_role("link", name=execution_id).wait_for()

    # Its secret is shown, and rotated at once.
    page.goto(agent)
    press(page, "Show")
    page.get_by_text(secret, exact=True).wait_for()
    page.goto(agent)
    page.locator("summary", has_text="Rotate").click()
    page.get_by_label("Earlier ones verify for").select_option("no longer")
    press(page, "Rotate")
    page.get_by_text("The secret is rotated.").wait_for()
    rotated = copied(page, page.locator("[data-copy=secret-1]"))
    assert rotated != secret

    # The sender does not know it yet: the page says what is wrong and what to do, and then it is right.
    program = program.replace('"ticket_id":', '"ticket_id": ')
    assert pasted(program, secret) == {"error": "Invalid signature"}, "a sender is told nothing"
    page.goto(agent)
    page.get_by_role("row", name="rejected").get_by_role("link").first.click()
    page.get_by_text("wrong_secret_of", exact=True).wait_for()
    page.goto(agent)
    assert "execution_id" in pasted(program, rotated)
    page.reload()
    page.get_by_role("row", name="accepted").first.wait_for()

    # A receiver was down; now it is not.
    go(page, "Webhooks")
    page.get_by_role("link", name=told["receiver"]).click()
    page.get_by_role("row", name="failed").get_by_role("link").click()
    page.get_by_text("out of order").wait_for()
    press(page, "Send again now")
    page.get_by_text("The delivery is due and goes at once.").wait_for()
    # Its state and its attempts are read one after the other.
    reload_until(page, page.locator(".status.is-success").first)
    page.get_by_role("heading", name="Attempt 2").wait_for()

    sign_out(page)
