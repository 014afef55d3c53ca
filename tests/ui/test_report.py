"""The pages as one file: it needs nothing but itself."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from batchtel_dashboards.web.report import report
from batchtel_dashboards.web.sources import Sources
from batchtel_stack.demo.jobs import etl, race
from tests.ui import hostile
from tests.ui.conftest import World

pytestmark = pytest.mark.ui


def test_the_fleet_and_its_runs_in_a_file(browser: Browser, world: World, tmp_path: Path) -> None:
    """Links lead within the file; there is no script, no form, and no request but that of the file."""
    stores = world.stack.stores
    text = report(Sources(stores.prometheus, stores.logs[0], stores.traces[0]), "The demo", time.time())
    (tmp_path / "demo.html").write_text(text)
    assert not re.search(r"<script|<form|<img|<link|url\(|@import", text)
    page, requested, complaints = browser.new_page(), [], []
    page.on("request", lambda one: requested.append(one.url))
    page.on("console", lambda one: complaints.append(one.text))
    address = (tmp_path / "demo.html").as_uri()
    page.goto(address)
    assert page.evaluate("getComputedStyle(document.querySelector('.tiles')).display") == "grid"
    for job in (race.JOB, etl.JOB, hostile.JOB):
        expect(page.locator("table").filter(has_text="Last success")).to_contain_text(job)
    (failed, *_) = [line for line in world.lines if line["job"] == race.JOB and line["event"] == "ended"]
    page.locator("td.id a").filter(has_text=re.compile("^[0-9a-f-]+$")).first.click()
    expect(page.locator(":target h1")).to_be_in_viewport()
    links = page.locator("a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert {link[:1] for link in links} == {"#"}
    missing = [link for link in links if not page.locator(f"[id='{link[1:]}']").count()]
    assert missing == []
    ids = page.locator("[id]").evaluate_all("found => found.map(one => one.id)")
    assert len(ids) == len(set(ids))
    expect(page.locator("main")).to_contain_text(failed["error_type"])
    assert page.evaluate("typeof pwned") == "undefined"
    assert (requested, complaints) == ([address], [])
    page.close()
