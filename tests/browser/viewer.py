"""Somebody who may only read: no page has a secret, or anything that changes something."""

from visit import all_pages, sign_in
from watched import story

# Buttons that change nothing: those of lists, and those that a script adds to copy a text and to look again.
CHANGING = "form[method=post]:not([action$='/sign-out'])"
BUTTONS = "button, input[type=submit], [role=button]"
HARMLESS = "form[method=get] *, form[action$='/sign-out'] *, [data-copy], [data-live]"

with story() as (told, watched):
    page = watched.visitor()
    sign_in(page, told["key"])

    def only_reads(address):
        assert page.locator(CHANGING).count() == 0, f"{address} has a form"
        for button in page.locator(BUTTONS).all():
            assert button.evaluate("(button, harmless) => button.matches(harmless)", HARMLESS), (
                f"{address}: {button.inner_text()}"
            )
        text = page.content()
        for secret in told["secrets"]:
            assert secret not in text, f"{address} has the secret {secret}"

    for path in told["paths"]:
        # What is there only to change something is refused, and what is not theirs is not there.
        with watched.expecting(403, 404):
            page.goto(path)
        assert path == "/" or page.url.endswith(path), f"{path} is {page.url}"
        only_reads(path)
    for address in all_pages(page, watched.server):
        only_reads(address)
