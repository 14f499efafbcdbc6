"""Pages for everybody: axe-core finds nothing serious, and nothing scrolls sideways, whatever the colours and the width."""

from axe_playwright_python.sync_playwright import Axe

from visit import scrolls_sideways, sign_in
from watched import story


def faults(page, options):
    """What axe-core finds serious, each with the first place where it is."""
    for found in Axe().run(page, options=options).response["violations"]:
        if found["impact"] in ("serious", "critical"):
            first, places = found["nodes"][0], len(found["nodes"])
            yield f"{found['id']}, {places} times, such as {first['html']}: {first['failureSummary']}"


with story() as (told, watched):
    complaints = []
    for colours, options in (("light", None), ("dark", {"runOnly": ["color-contrast"]})):
        page = watched.visitor(color_scheme=colours)

        def judge(path):
            with watched.expecting(404):
                page.goto(path)
            for width in (1280, 375):
                page.set_viewport_size({"width": width, "height": 900})
                where = f"{path} ({colours}, {width} px)"
                complaints.extend(f"{where}: {fault}" for fault in faults(page, options))
                if (pixels := scrolls_sideways(page)) > 0:
                    complaints.append(f"{where}: scrolls {pixels} px sideways")

        judge("/sign-in")
        sign_in(page, told["key"])
        for path in told["paths"]:
            judge(path)
    assert not complaints, "\n".join(complaints)
