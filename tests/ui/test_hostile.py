"""Foreign text in a real browser: none of it is markup, a script, or too long for a page."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.ui import hostile
from tests.ui.conftest import Watched, World

pytestmark = pytest.mark.ui


def test_names_messages_and_lines_are_text(watched: Watched, world: World) -> None:
    """Each page with the hostile run shows its texts as they are; no script ran and nothing else was requested."""
    page = watched.page
    page.goto("/?service=hostile")
    page.get_by_role("link", name=hostile.JOB, exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(hostile.JOB)
    expect(page.locator("main")).to_contain_text("<i>env</i>")
    expect(page.locator("main")).to_contain_text("</td><script>pwned=3</script>")
    page.locator("td.id a").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(hostile.RUN)
    expect(page.locator("pre.trace")).to_contain_text("</pre><script>pwned=4</script>")
    log = page.locator(".log")
    expect(log).to_contain_text('<img src=x onerror="pwned=2">')
    expect(log).to_contain_text("red and   reversed")
    assert page.evaluate("typeof pwned") == "undefined"
    assert page.locator("main script, main img, main i").count() == 0
    assert watched.complaints == []


def test_a_long_line_makes_no_long_page(watched: Watched) -> None:
    """A line of a megabyte is cut, and the page has how much is missing."""
    watched.page.goto("/?service=hostile")
    watched.page.get_by_role("link", name=hostile.JOB, exact=True).first.click()
    watched.page.locator("td.id a").first.click()
    expect(watched.page.locator(".log")).to_contain_text("more characters)")
    assert len(watched.page.content()) < 100_000


def test_bytes_that_are_no_text(watched: Watched) -> None:
    """What is no UTF-8 is replaced; colours of a terminal are removed."""
    watched.page.goto(f"/job?name={hostile.BYTES}")
    watched.page.locator("td.id a").first.click()
    expect(watched.page.locator(".log")).to_contain_text("end")
    expect(watched.page.locator(".log")).to_contain_text("bold")
    assert "[1m" not in watched.page.content()
