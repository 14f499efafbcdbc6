"""What people do on any page."""

# Links are followed to so many pages, at most: a story has fewer.
MOST = 400


def sign_in(page, key):
    """In with this key, to the first page."""
    page.goto("/sign-in")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", level=1, name="Overview").wait_for()


def sign_out(page):
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", level=1, name="Sign in").wait_for()


def press(page, name):
    """A button that is there once."""
    page.get_by_role("button", name=name, exact=True).click()


def all_pages(page, server, start="/"):
    """Opens every page that links lead to, and gives back each address when it is open."""
    waiting, known = [server + start], {server + start}
    while waiting:
        address = waiting.pop(0)
        answer = page.goto(address)
        assert answer.status == 200, f"{address}: {answer.status}"
        yield page.url
        links = page.eval_on_selector_all("a[href]:not([download])", "links => links.map(link => link.href.split('#')[0])")
        for link in links:
            assert link.startswith("http"), f"{address} leads to {link}"
            # The reference is a program of its own, and shows the API's document alone.
            if link.startswith(f"{server}/") and link != f"{server}/docs" and link not in known:
                known.add(link)
                waiting.append(link)
        assert len(known) <= MOST, "links without end"


def scrolls_sideways(page):
    """By how many pixels the page is wider than its window."""
    return page.evaluate("document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth")
