"""Dark and light, phone width, keyboard, contrast, without JavaScript, and on paper."""

from __future__ import annotations

from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from batchtel_stack.demo.jobs import etl, fleet, race
from tests.ui.conftest import World

pytestmark = pytest.mark.ui

PATHS: Final = (
    *(
        "/",
        "/?q=none",
        f"/job?name={race.JOB}",
        f"/job?name={etl.JOB}",
        "/runs?since=24h",
        "/run?id=0",
        "/pipeline",
        "/none",
    ),
)


def _addresses(world: World) -> list[str]:
    ids = {line["job"]: line["run_id"] for line in world.lines if line["event"] == "ended"}
    return [*PATHS, *(f"/run?id={ids[job]}&job={job}" for job in (race.JOB, etl.JOB, next(iter(fleet.JOBS))))]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 320])
def test_rules_of_wcag(browser: Browser, world: World, scheme: Any, width: int) -> None:
    """Axe finds nothing against WCAG 2.2 A and AA, contrast included, and nothing is wider than the window."""
    context = browser.new_context(
        base_url=world.site.url, color_scheme=scheme, viewport={"width": width, "height": 800}
    )
    page, found = context.new_page(), []
    for path in _addresses(world):
        page.goto(path)
        rules = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
        result = Axe().run(page, options=rules)
        found += [(path, one["id"], one["nodes"][0]["html"]) for one in result.response["violations"]]
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    context.close()
    assert found == []


def test_the_schemes_differ(browser: Browser, world: World) -> None:
    """Dark is dark, and light is light."""
    colours = []
    schemes: tuple[Any, ...] = ("light", "dark")
    for scheme in schemes:
        page = browser.new_page(base_url=world.site.url, color_scheme=scheme)
        page.goto("/")
        colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.close()
    assert colours == ["rgb(255, 255, 255)", "rgb(20, 23, 28)"]


def test_the_keyboard(page: Page) -> None:
    """The first Tab offers to skip to the content; / goes to the search; each link and control shows its focus."""
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_label("Find a run")).to_be_focused()
    page.keyboard.type(race.JOB)
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name=race.JOB, exact=True).first).to_be_visible()


def test_without_javascript(browser: Browser, world: World) -> None:
    """All pages, filters, charts and links work."""
    context = browser.new_context(base_url=world.site.url, java_script_enabled=False)
    page = context.new_page()
    for path in _addresses(world):
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.goto("/")
    page.get_by_label("Show").select_option("failed")
    page.get_by_role("button", name="Filter").click()
    expect(page).to_have_url(f"{world.site.url}/?q=&state=failed&service=&environment=")
    page.get_by_role("link", name=race.JOB, exact=True).first.click()
    expect(page.locator("figure rect").first).to_be_attached()
    context.close()
