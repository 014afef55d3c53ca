"""Each page in a real browser, compared with the ledger of the jobs."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from playwright.sync_api import Page, expect

from batchtel_stack.demo.jobs import etl, fleet, idle, race, retry
from batchtel_stack.demo.target import SERVICE
from tests.ui import hostile
from tests.ui.conftest import World

pytestmark = pytest.mark.ui


def _tile(page: Page, name: str) -> str:
    return page.locator(".tiles div", has=page.get_by_text(name, exact=True)).locator("dd").inner_text()


def _rows(page: Page, heading: str = "Jobs") -> list[str]:
    names = page.locator("section", has=page.get_by_role("heading", name=heading, exact=True)).locator("tbody tr")
    return [text.strip() for text in names.locator("td:first-child a").all_inner_texts()]


def test_the_fleet(page: Page, world: World) -> None:
    """Each job of the ledger has a row with its state and its runs; numbers of the day are those of the ledger."""
    page.goto("/")
    lines = world.lines
    jobs = {line["job"] for line in lines}
    rows = _rows(page)
    assert set(rows) == jobs | {hostile.JOB, hostile.BYTES}
    ended = [line for line in lines if line["event"] == "ended"]
    failed = [line for line in ended if line["status"] == "failure"]
    assert _tile(page, "Jobs") == str(len(jobs) + 2)
    assert _tile(page, "Running now") == "0"
    assert _tile(page, "Runs ended, 24 h") == str(len(ended) + 2)
    assert _tile(page, "Runs failed, 24 h") == str(len(failed) + 2)
    assert _tile(page, "Failed in the last hour").split()[:2] == [str(len(failed) + 2), "runs"]
    row = page.get_by_role("row", name=re.compile(f"^{race.JOB} "))
    expect(row.locator(".status").first).to_have_text("failure")
    expect(row.locator("svg rect")).to_have_count(race.PROCESSES)
    assert row.locator("svg").get_attribute("aria-label") == (
        f"the last {race.PROCESSES} runs: {race.PROCESSES} failure; "
        + (row.locator("svg").get_attribute("aria-label") or "").partition("; ")[2]
    )
    errors = Counter(line["error_type"] for line in failed)
    table = page.locator("section", has=page.get_by_role("heading", name="Failures by error, 24 h")).locator("tbody tr")
    shown = {cells[0]: cells[1] for cells in (row.locator("td").all_inner_texts() for row in table.all())}
    for kind, count in errors.items():
        assert shown[kind] == str(count + (kind == "ValueError"))


def test_filters_are_in_the_address(page: Page, world: World) -> None:
    """A view is a link: the same address shows the same jobs, and back goes back."""
    page.goto("/")
    every = _rows(page)
    page.get_by_label("Show").select_option("failed")
    page.get_by_label("Service").select_option(SERVICE)
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url(re.compile("state=failed"))
    assert race.JOB in _rows(page)
    assert etl.JOB not in _rows(page)
    address = page.url
    page.get_by_label("Name or owner").fill("no such")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_text("None of the")).to_be_visible()
    page.goto(address)
    assert race.JOB in _rows(page)
    page.go_back()
    page.get_by_role("link", name="Show all jobs").click()
    assert _rows(page) == every


def test_a_job(page: Page, world: World) -> None:
    """Its page has a bar for each run, its steps and its runs with their records, as the ledger has them."""
    page.goto("/")
    page.get_by_role("link", name=etl.JOB, exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(etl.JOB)
    (ended,) = [line for line in world.lines if line["job"] == etl.JOB and line["event"] == "ended"]
    steps = {line["step"]: line for line in world.lines if line["job"] == etl.JOB and line["event"] == "step"}
    table = page.locator("section", has=page.get_by_role("heading", name="Steps, 7 d")).locator("tbody tr")
    shown = {cells[0]: cells for cells in (row.locator("td").all_inner_texts() for row in table.all())}
    assert set(shown) == set(steps)
    for name, line in steps.items():
        assert (shown[name][1], shown[name][2], shown[name][5]) == ("1", "0", f"{line['read']:,}")
    row = page.locator("section", has=page.get_by_role("heading", name="Runs", exact=True)).locator("tbody tr")
    assert row.locator('td[data-name="Records"]').all_inner_texts() == [f"{ended['processed']:,}"]
    assert row.locator('td[data-name="Failed"]').all_inner_texts() == [f"{ended['failed']:,}"]
    charts = page.locator("figure figcaption").all_inner_texts()
    assert [text.split(" of each run")[0] for text in charts] == [
        "duration",
        "records processed",
        "records failed",
        "data quality",
    ]
    page.locator("figure svg a").first.click(force=True)
    expect(page.get_by_role("heading", level=1)).to_contain_text(ended["run_id"])


def test_a_run_that_failed(page: Page, world: World) -> None:
    """Error with stack trace, its spans, and what differs from the last run that succeeded before."""
    (failed, *_) = [
        line
        for line in world.lines
        if line["event"] == "ended" and line["status"] == "failure" and line["job"] in fleet.JOBS
    ]
    page.goto("/")
    page.get_by_label("Find a run").fill(failed["run_id"][:-2])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text(failed["run_id"])
    expect(page.locator("h1 .status")).to_have_text("failure")
    expect(page.locator("pre.trace")).to_contain_text("Traceback (most recent call last)")
    expect(page.locator("pre.trace")).to_contain_text(failed["error_type"])
    spans = page.locator(".waterfall tbody tr td:first-child").all_inner_texts()
    assert spans[0] == f"batch_job.{failed['job']}"
    assert all(name.startswith("batch_step.") for name in spans[1:])
    assert len(spans) > 1


def test_a_run_with_attempts(page: Page, world: World) -> None:
    """Two attempts of one run are one run, and the last one decides."""
    (run_id,) = {line["run_id"] for line in world.lines if line["job"] == retry.JOB}
    page.goto(f"/run?id={run_id}")
    expect(page.locator("h1 .status")).to_have_text("success")
    table = page.locator("section", has=page.get_by_role("heading", name="Attempts")).locator("tbody tr")
    assert [row.locator("td").nth(1).inner_text() for row in table.all()] == ["failure", "success"]
    expect(page.locator("h3")).to_have_text(["attempt 1"])
    expect(page.locator("pre.trace")).to_have_count(1)


def test_log_records_of_a_run(page: Page, world: World) -> None:
    """They can be searched, in small or capital letters, and the search is in the address."""
    (run_id,) = {line["run_id"] for line in world.lines if line["job"] == etl.JOB}
    failed = [line["record"] for line in world.lines if line["event"] == "record_failed"]
    page.goto(f"/run?id={run_id}&job={etl.JOB}")
    every = page.locator(".log li").count()
    page.get_by_label("Contains").fill("NOTHING LIKE THIS")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("No log record matches.")).to_be_visible()
    assert "text=NOTHING+LIKE+THIS" in page.url
    assert failed
    assert every >= 0


def test_runs(page: Page, world: World) -> None:
    """Filters select the runs of the ledger; a time that is none is an error with what to write."""
    failed = {line["run_id"] for line in world.lines if line["event"] == "ended" and line["status"] == "failure"}
    recovered = {line["run_id"] for line in world.lines if line["job"] == retry.JOB}
    page.goto(f"/runs?status=failure&service={SERVICE}")
    assert set(page.locator("td.id a").all_inner_texts()) == failed - recovered
    page.goto(f"/runs?job={idle.JOB}")
    assert page.locator('td[data-name="Records"]').all_inner_texts() == ["0"]
    page.get_by_label("Since").fill("yesterday")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("alert")).to_contain_text("'yesterday' is neither a duration nor a time; write 90m, 2h")


def test_the_pipeline(page: Page, world: World) -> None:
    """The stores answer, and what the collector received is there."""
    page.goto("/pipeline")
    assert [row.split("\t")[-1] for row in page.locator("table").first.locator("tbody tr").all_inner_texts()] == [
        "yes"
    ] * 3
    received = page.locator("section", has=page.get_by_role("heading", name="Received, 1 h")).locator("tbody tr")
    counts = {row.locator("td").nth(1).inner_text(): row.locator("td").nth(2).inner_text() for row in received.all()}
    assert int(counts["spans"].replace(",", "")) >= len(
        [line for line in world.lines if line["event"] in ("ended", "step")]
    )
    assert page.get_by_role("heading", name="Queues and deliveries").is_visible()


def test_what_is_not_there(page: Page) -> None:
    """A page, a job and a run that do not exist are 404 with a way back."""
    for path, text in (
        ("/none", "There is no such page."),
        ("/job?name=none", "No job of this name has run"),
        ("/run?id=none", "No run with this id"),
    ):
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 404
        expect(page.locator("main")).to_contain_text(text)
    page.goto("/?state=failed&q=none&page=7")
    expect(page.get_by_role("link", name="Show all jobs")).to_be_visible()


def test_part_of_an_id_that_means_several_runs(page: Page, world: World) -> None:
    """They are listed, and each leads to its page."""
    page.goto("/run?id=0")
    rows = page.locator("td.id a")
    assert rows.count() > 1
    chosen = rows.first.inner_text()
    rows.first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(chosen)
