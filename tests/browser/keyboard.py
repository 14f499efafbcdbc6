"""Somebody without a mouse: what has the focus can be seen, and Tab and Enter do all."""

from watched import story

FOCUSED = "document.activeElement"


def tab_to(page, what, is_it):
    """Presses Tab until an element is reached of which the script says so."""
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate(f"{FOCUSED} !== document.body"):
            seen = page.evaluate(f"getComputedStyle({FOCUSED}).outlineStyle")
            assert seen != "none", "the focus cannot be seen: " + page.evaluate(f"{FOCUSED}.outerHTML")
        if page.evaluate(f"(focused => {is_it})({FOCUSED})"):
            return
    raise AssertionError(f"Tab does not lead to {what}")


with story() as (told, watched):
    page = watched.visitor()
    page.goto("/sign-in")
    assert page.evaluate(f"{FOCUSED}.id") == "key", "the field has the focus"
    page.keyboard.type(told["key"])
    page.keyboard.press("Enter")
    page.get_by_role("heading", level=1, name="Overview").wait_for()

    page.keyboard.press("Tab")
    assert page.evaluate(f"{FOCUSED}.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate(f"{FOCUSED}.id") == "main", "the navigation is skipped"

    page.goto("/executions")
    tab_to(page, "the execution", f"focused.matches('a[href$=\"{told['execution_id']}\"]')")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/executions/{told['execution_id']}")
    tab_to(page, "its button", "focused.matches('button') && focused.textContent.startsWith('Replay')")
    page.keyboard.press("Enter")
    page.get_by_text("This is the new execution, of the same payload.").wait_for()
    assert told["execution_id"] not in page.url
    page.wait_for_load_state()
    assert page.evaluate("location.search") == "", "it is said once"
