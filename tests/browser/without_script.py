"""Somebody whose browser runs no script."""

from visit import sign_in, sign_out
from watched import story

with story() as (told, watched):
    page = watched.visitor(java_script_enabled=False)
    sign_in(page, told["key"])
    page.get_by_role("link", name="Executions", exact=True).click()
    page.get_by_role("link", name=told["execution_id"]).click()
    page.get_by_role("button", name="Replay").click()
    page.wait_for_url("**/executions/*done=replayed")
    assert told["execution_id"] not in page.url, "it is another one"
    assert page.get_by_role("link", name=told["execution_id"]).is_visible(), "and says of which"
    sign_out(page)
