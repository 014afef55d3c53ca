"""Runs that share something: an id, a job, a service without its namespace, or a time with a run that is lost."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from batchtel_dashboards.engines import EXACT
from batchtel_dashboards.history.reader import History
from batchtel_dashboards.history.run import LOST, RUNNING
from batchtel_dashboards.history.selection import Selection
from batchtel_dashboards.history.text import LATEST
from batchtel_stack.stack import Stack
from tests.stack.test_history import Shop
from tests.support.polling import until
from tests.support.site import Site, of_stores, serving

ID: Final = "scheduled__2026-11-29"
JOB: Final = "history_chatty"

PLACES: Final = {
    "a/airflow": "service.namespace=a,deployment.environment.name=prod",
    "b/airflow": "service.namespace=b,deployment.environment.name=prod",
    "airflow": "",
}
"""Service as metrics have it -> resource attributes of its one run; the last has neither namespace nor environment."""


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Shop:
    """A stack on which three services with one name have a run of one id each."""
    shop = Shop(stack)
    for number, attributes in enumerate(PLACES.values(), 1):
        variables = {"OTEL_SERVICE_NAME": "airflow", "OTEL_RESOURCE_ATTRIBUTES": attributes, "BATCHTEL_RUN_ID": ID}
        assert shop.ended("chatty", str(number), **variables) == 0
    until("the three runs", lambda: len(_of_id(shop)) == 3 or None, 60)

    def states() -> list[Any] | None:
        called = shop.call("show", JOB, "--json", group="jobs")
        found = json.loads(called.stdout)["states"] if called.exit_code == 0 else []
        return found if {one["service"] for one in found} >= set(PLACES) else None

    until("their metrics", states, 60)
    return shop


@pytest.fixture(scope="module")
def site(shop: Shop) -> Iterator[Site]:
    """The pages about it."""
    with serving(*of_stores(shop.stack.stores)) as site:
        yield site


def _of_id(shop: Shop) -> list[Any]:
    return [run for run in shop.listed(JOB) if run["run_id"] == ID]


@pytest.mark.parametrize(("service", "lines"), [(name, number) for number, name in enumerate(PLACES, 1)])
def test_a_run_has_its_own_log_records(shop: Shop, site: Site, service: str, lines: int) -> None:
    """In the terminal and on its page, though stores select by the name of the service only."""
    environment = "" if service == "airflow" else "prod"
    shown = shop.document("show", ID, "--service", service, "--deployment-environment", environment)
    assert shown["service"] == service
    own = [one["line"] for one in shown["log_records"] if "event_name" not in one["fields"]]
    assert own == [f"line {number}." for number in range(lines)]
    page = site.get(f"/run?id={ID}&job={JOB}&service={service}&environment={environment}")
    assert page.status == 200
    assert f"line {lines - 1}." in page.text
    assert f"line {lines}." not in page.text


def test_a_job_without_an_environment_has_a_page_of_its_own(site: Site) -> None:
    """The links of the page that lists them lead there, not to the list again."""
    chooser = site.get(f"/job?name={JOB}").text
    assert f'href="/job?name={JOB}&amp;service=airflow&amp;environment="' in chooser
    page = site.get(f"/job?name={JOB}&service=airflow&environment=")
    assert page.status == 200
    assert "This job runs in several services" not in page.text
    assert f"/run?id={ID}&amp;job={JOB}&amp;service=airflow&amp;environment=" in page.text


def test_a_job_that_has_moved_keeps_its_old_runs(shop: Shop, site: Site) -> None:
    """A service that has runs and no series any more has a page with them; one that has neither has none."""
    _write(shop, "moved", 5 * 86400, JOB, "moved")
    until("the old run", lambda: [r for r in shop.listed(JOB, "--since", "9d") if r["run_id"] == "moved"] or None, 60)
    page = site.get(f"/job?name={JOB}&service=moved&environment=")
    assert (page.status, "/run?id=moved&" in page.text) == (200, True)
    assert site.get(f"/job?name={JOB}&service=never&environment=").status == 404
    shown = shop.document("show", JOB, "--service", "moved", group="jobs")
    assert (shown["states"], [run["run_id"] for run in shown["runs"]]) == ([], ["moved"])


def test_a_lost_run_is_lost_on_its_own_page(shop: Shop) -> None:
    """Heartbeats of its job are those of a newer run, which a look at one id does not see."""
    job = "watched"
    _write(shop, "lost-1", 7200, job)
    _write(shop, "live-1", 600, job)
    (logs,) = shop.stack.stores.logs

    class Counted(History):
        def live(self) -> dict[tuple[str, ...], float]:
            return {("airflow", "", job): 1.0}

    history, everything = Counted(logs, None, EXACT), Selection(0, LATEST, job)
    found = until("both", lambda: (len(runs := history.runs(everything, 9)) == 2 and runs) or None, 60)
    expected = {"lost-1": LOST, "live-1": RUNNING}
    assert {run.identity.run_id: run.status for run in found} == expected
    for run in found:
        run_id = run.identity.run_id
        assert history.whole(run)[0].status == expected[run_id]
        assert [one.status for one in history.candidates(everything, run_id)] == [expected[run_id]]
        past = Selection(0, run.started + 1, job)
        assert history.runs(past, 1)[0].status == expected[run_id]
        assert [one.status for one in history.runs(Selection(0, LATEST, job, run_id), 9)] == [expected[run_id]]


def _write(shop: Shop, run_id: str, age: float, job: str, service: str = "airflow") -> None:
    """Write the start of a run that long ago, as the collector would have."""
    row = {
        "_time": datetime.fromtimestamp(time.time() - age, UTC).isoformat(),
        "_msg": "started",
        "event_name": "batch.run.started",
        "service.name": service,
        "batch.job.name": job,
        "batch.run.id": run_id,
        "batch.run.attempt": "1",
    }
    fields = "_stream_fields=service.name,batch.job.name&_time_field=_time&_msg_field=_msg"
    url = f"{shop.stack.victorialogs}/insert/jsonline?{fields}"
    request = urllib.request.Request(url, json.dumps(row).encode(), {"Content-Type": "application/stream+json"})
    urllib.request.urlopen(request, timeout=60).close()
