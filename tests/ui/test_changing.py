"""Pages about something that changes, or is not there: a run that ends, an empty fleet, stores that are away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from batchtel_stack.demo.jobs import etl, race
from batchtel_stack.ports import Ports
from batchtel_stack.stack import Stack
from tests.support.door import Door
from tests.support.polling import until
from tests.support.process import start
from tests.support.site import Site, of_stores, serving
from tests.ui.conftest import World

pytestmark = pytest.mark.ui

AWAY = "http://127.0.0.1:9"

OPEN = """
import sys, batchtel
with batchtel.job("watched_job") as job:
    batchtel.flush()
    sys.stdin.readline()
    job.records(processed=7)
"""


@dataclass(frozen=True)
class New:
    """A stack on which nothing has run, and pages about it."""

    stack: Stack
    site: Site


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Iterator[New]:
    """A new stack."""
    folder = tmp_path_factory.mktemp("new") / "stack"
    with (
        Stack.running(folder, Ports.free(), export_interval="1s") as stack,
        serving(*of_stores(stack.stores)) as site,
    ):
        yield New(stack, site)


def test_from_an_empty_fleet_to_the_end_of_a_run(browser: Browser, new: New) -> None:
    """An empty page has what to type; that of a run follows it to its end without a new load, and keeps the focus."""
    page = browser.new_page(base_url=new.site.url)
    page.goto("/")
    expect(page.locator("main")).to_contain_text("No job has run as far as Prometheus reaches. Run one: batchtel run")
    page.goto("/runs")
    expect(page.locator("main")).to_contain_text("No run matches between 24h and now")
    page.goto("/pipeline")
    expect(page.locator("main")).to_contain_text("Nothing was refused.")
    with start(OPEN, None, OTEL_EXPORTER_OTLP_ENDPOINT=new.stack.otlp_http, BATCHTEL_RUN_ID="watched") as process:
        until("its start", lambda: "/run?id=watched&" in new.site.get("/runs?job=watched_job").text or None, 60)
        page.goto("/run?id=watched&job=watched_job")
        expect(page.locator("h1 .status")).to_have_text("running")
        page.evaluate("window.loaded = true")
        link = page.get_by_role("link", name="watched_job")
        link.focus()
        process.communicate("\n", timeout=60)
    expect(page.locator("h1 .status")).to_have_text("success", timeout=60_000)
    expect(page.locator("#refreshing")).to_have_text("nothing runs any more", timeout=30_000)
    assert page.evaluate("window.loaded") is True
    expect(link).to_be_focused()
    expect(page.locator(".tiles")).to_contain_text("7")
    page.close()


def test_a_page_goes_on_after_an_outage(browser: Browser, new: New) -> None:
    """A refresh while the store is away shows that, and the next one shows the run again."""
    with (
        start(OPEN, None, OTEL_EXPORTER_OTLP_ENDPOINT=new.stack.otlp_http, BATCHTEL_RUN_ID="outage") as process,
        Door(new.stack.victorialogs) as door,
        serving(*of_stores(new.stack.stores, victorialogs=door.url)) as site,
    ):
        until("its start", lambda: "/run?id=outage&" in site.get("/runs?job=watched_job").text or None, 60)
        page = browser.new_page(base_url=site.url)
        page.goto("/run?id=outage&job=watched_job")
        expect(page.locator("h1 .status")).to_have_text("running")
        door.close()
        expect(page.locator("main")).to_contain_text("VictoriaLogs does not answer", timeout=30_000)
        door.open()
        expect(page.locator("h1 .status")).to_have_text("running", timeout=30_000)
        process.communicate("\n", timeout=60)
        page.close()


def test_what_is_typed_stays(browser: Browser, new: New) -> None:
    """A refresh does not empty a filter that is typed and not sent, also when the focus is elsewhere."""
    with start(OPEN, None, OTEL_EXPORTER_OTLP_ENDPOINT=new.stack.otlp_http, BATCHTEL_RUN_ID="typed") as process:
        until("its start", lambda: "/run?id=typed&" in new.site.get("/runs?job=watched_job").text or None, 60)
        page = browser.new_page(base_url=new.site.url)
        page.goto("/run?id=typed&job=watched_job")
        page.get_by_label("Contains").fill("not sent")
        page.get_by_label("Find a run").focus()
        process.communicate("\n", timeout=60)
        until("its end", lambda: ">success<" in new.site.get("/run?id=typed&job=watched_job").text or None, 60)
        requested = []
        page.on("request", lambda one: requested.append(one.url))
        page.wait_for_timeout(6_000)
        assert requested == []
        expect(page.get_by_label("Contains")).to_have_value("not sent")
        page.get_by_label("Contains").fill("")
        page.get_by_label("Find a run").focus()
        expect(page.locator("h1 .status")).to_have_text("success", timeout=20_000)
        page.close()


def test_a_catalogue_that_breaks(browser: Browser, world: World, tmp_path: Path) -> None:
    """The page names the problem, and shows the jobs without what was expected of them."""
    catalogue = tmp_path / "jobs.toml"
    catalogue.write_text(f'[jobs.{etl.JOB}]\nowner = "ada@example.com"\nschedule = {{ cron = "30 2 * * mon-fri" }}\n')
    with serving(*of_stores(world.stack.stores), "--catalogue", str(catalogue)) as site:
        page = browser.new_page(base_url=site.url)
        page.goto(f"/job?name={etl.JOB}")
        expect(page.locator(".facts")).to_contain_text("30 2 * * mon,tue,wed,thu,fri, UTC")
        page.goto("/")
        expect(page.locator("main")).to_contain_text("ada@example.com")
        good = catalogue.read_text()
        catalogue.write_text(f'{good}\n[jobs.wrong.schedule]\ncron = "99 99 * * *"\n')
        page.goto("/")
        expect(page.locator(".problem")).to_contain_text(f"list them: batchtel jobs check {catalogue}")
        expect(page.locator("main")).to_contain_text("ada@example.com")
        for break_it in (lambda: catalogue.write_text("not toml ["), catalogue.unlink):
            break_it()
            for path in ("/", f"/job?name={etl.JOB}"):
                page.goto(path)
                expect(page.locator(".problem")).to_contain_text("the job catalogue")
                expect(page.locator("main")).to_contain_text("batchtel-demo")
        page.close()


@pytest.mark.parametrize(
    ("away", "path", "problem", "shown"),
    [
        ("prometheus", "/", "Prometheus does not answer at", "Jobs"),
        ("prometheus", f"/job?name={race.JOB}", "Prometheus does not answer at", "IntegrityError"),
        ("prometheus", "/runs", "", race.JOB),
        ("prometheus", "/runs?status=running", "Prometheus does not answer which open runs are running", "Runs"),
        ("victorialogs", "/", "VictoriaLogs does not answer at", race.JOB),
        ("victorialogs", f"/job?name={etl.JOB}", "VictoriaLogs does not answer at", "transform"),
        ("victorialogs", "/runs", "VictoriaLogs does not answer at", "Runs"),
        ("jaeger", f"/job?name={etl.JOB}", "", "transform"),
        ("jaeger", "RUN", "Jaeger does not answer at", "transform"),
        ("prometheus", "/pipeline", "Prometheus does not answer at", "VictoriaLogs"),
    ],
)
def test_a_store_that_is_away(browser: Browser, world: World, away: str, path: str, problem: str, shown: str) -> None:
    """The page names it, and shows what the others have."""
    (run_id,) = {line["run_id"] for line in world.lines if line["job"] == etl.JOB}
    with serving(*of_stores(world.stack.stores, **{away: AWAY})) as site:
        page = browser.new_page(base_url=site.url)
        page.goto(f"/run?id={run_id}" if path == "RUN" else path)
        if problem:
            expect(
                page.locator(".problem, .empty, td").get_by_text(problem).or_(page.get_by_text(problem)).first
            ).to_be_visible()
        expect(page.locator("main")).to_contain_text(shown)
        page.close()
