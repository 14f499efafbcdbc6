"""Everybody who can write anywhere has tried: whatever they wrote is text, on every page that can be reached."""

from visit import all_pages, scrolls_sideways, sign_in
from watched import story

# What the set would add to a page; the attribute is on each of its elements.
TRACES = """() => [...document.querySelectorAll('*')].filter(element =>
  element.hasAttribute('data-evil')
  || element.localName === 'script' && (!element.src || !element.src.startsWith(`${location.origin}/assets/`))
  || ['iframe', 'object', 'embed', 'base', 'style'].includes(element.localName)
  || [...element.attributes].some(({ name, value }) => /^on/i.test(name) || /^\\s*(javascript|data|vbscript):/i.test(value))
).map(element => element.outerHTML)"""

with story() as (told, watched):
    # Where it is narrow: a word without an end must not push a page aside either.
    page = watched.visitor(viewport={"width": 375, "height": 900})
    sign_in(page, told["key"])
    seen, complaints = set(), []
    for address in all_pages(page, watched.server):
        if (traces := page.evaluate(TRACES)) != []:
            complaints.append(f"{address} has {traces}")
        if (pixels := scrolls_sideways(page)) > 0:
            complaints.append(f"{address} scrolls {pixels} px sideways")
        text = page.evaluate("document.title + document.body.textContent")
        seen |= {field for field in told["fields"] if f"[{field}]" in text}
    assert not complaints, "\n".join(complaints)
    unseen = set(told["fields"]) - seen
    assert not unseen, f"no page shows what was written as {sorted(unseen)}"
