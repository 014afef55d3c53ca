"""What boards, the page of a run and `batchtel runs show` have of drivers, compared with what these have done."""

from __future__ import annotations

import re
import time
from collections import Counter
from itertools import pairwise
from typing import Any, Final

import pytest
from click.testing import CliRunner

from batchtel.cli.main import main
from batchtel.schema import signals
from batchtel_dashboards.stores import Span
from batchtel_dashboards.web import rendering
from batchtel_dashboards.web.run import Wanted, run
from batchtel_dashboards.web.sources import Sources
from tests.spark.conftest import DONE, FAILED_TASKS, STATUS, Played, StepDone
from tests.support.board_answers import columns, target
from tests.support.polling import until
from tests.support.rows import rows_below
from tests.support.site import of_stores
from tests.support.witness import SECONDS

pytestmark = [pytest.mark.spark, pytest.mark.timeout(600), pytest.mark.xdist_group("stores")]

JOB: Final = "batch-job"
RUN: Final = "batch-run-victorialogs"
ENDED: Final = "Status, attempts, records, quality, schema"
OF_SPARK: Final = "What Spark ran for each step"

PROCESSED: Final = {"succeeds": 57, "retried": 57}
"""End of the driver -> records of its run; none of the others has reported any."""


@pytest.fixture(scope="module", autouse=True)
def settled(played: Played) -> None:
    """The stores have the end of each driver, and of each of their steps."""
    for end, steps in DONE.items():
        job, trace_id = played.job(end), str(played.drivers[end].happened["trace_id"])
        names = {f"batch_step.{step}" for step in steps} | ({f"batch_job.{job}"} if end in STATUS else set())

        def spans(trace_id: str = trace_id, names: set[str] = names) -> bool | None:
            return names <= {span.name for span in played.witness.trace(trace_id)} or None

        def records(job: str = job, count: int = len(steps)) -> bool | None:
            return len(played.witness.events(job, "batch.step.finished")) == count or None

        until(f"the spans of {end}", spans, SECONDS)
        until(f"the log records of {end}", records, SECONDS)
        played.witness.wait_added("batch.step.completions", job, len(steps))
        played.witness.wait_added("batch.job.completions", job, end in STATUS)
        played.witness.wait_added("batch.job.records.processed", job, PROCESSED.get(end, 0))


def _rows(played: Played, end: str, title: str) -> list[dict[str, str]]:
    """Return the rows of a table of the board Run: the fields of its columns."""
    run_id = played.drivers[end].happened["run_id"]
    found = played.answers.logged(target(RUN, title)["expr"], job=played.job(end), run=run_id)
    return [{name: row.get(name, "") for name in columns(RUN, title)} for row in found]


def _seconds(played: Played, end: str) -> dict[str, float]:
    """Return how many seconds the code of each step of a driver has lasted, by its own clock."""
    return {step: played.drivers[end].happened[f"seconds of {step}"] for step in DONE[end]}


def _spans(played: Played, end: str) -> list[Span]:
    return played.witness.trace(played.drivers[end].happened["trace_id"])


def _is_in_bucket(estimate: float, seconds: float) -> bool:
    """Whether a quantile is in the bucket of the only duration that the histogram has."""
    (metric,) = [metric for metric in signals.METRICS if metric.name == "batch.job.duration"]
    ((least, most),) = [two for two in pairwise((0.0, *metric.bounds)) if two[0] < seconds <= two[1]]
    return least <= estimate <= most


@pytest.mark.parametrize("end", STATUS)
def test_durations_of_the_job(played: Played, end: str) -> None:
    """AA02, AA13: quantiles are those of the only run; the chart has no points of other durations."""
    (row,) = _rows(played, end, ENDED)
    for query in (0, 1):
        title, seconds = "Duration: p50, p95", float(row["batch.duration"])
        assert _is_in_bucket(played.answers.number(JOB, title, query, job=played.job(end)), seconds)
        points = [point for point in played.answers.line(JOB, title, query, job=played.job(end)) if point >= 0]
        assert points
        assert all(_is_in_bucket(point, seconds) for point in points), points


def test_a_killed_driver_has_no_duration(played: Played) -> None:
    """Its job has no point at all."""
    points = played.answers.line(JOB, "Duration: p50, p95", job=played.job("killed"))
    assert [point for point in points if point >= 0] == []


def test_runs_that_ended(played: Played) -> None:
    """AA03: a row for each run of the selected jobs, of which one has the most records."""
    rows = played.answers.logged(
        target(RUN, "Runs that ended")["expr"], job=f"({'|'.join(played.job(end) for end in DONE)})"
    )
    found = {row["batch.job.name"]: (row["batch.status"], row.get("batch.records.processed")) for row in rows}
    assert found == {
        played.job(end): (status, str(PROCESSED[end]) if end in PROCESSED else None) for end, status in STATUS.items()
    }
    assert {row["batch.service"] for row in rows} == {played.answers.service}
    assert max(int(records or 0) for _, records in found.values()) == 57


def test_records_of_the_job(played: Played) -> None:
    """AA04: those of one driver, and of all; a driver that has failed has no bar."""
    assert played.answers.number(JOB, "Records", job=played.job("succeeds")) == 57
    assert played.answers.number(JOB, "Records", job=".*") == 114
    assert played.answers.line(JOB, "Records", job=played.job("fails")) == []


def test_success_rate(played: Played) -> None:
    """AA05: 0 % of a job all of whose runs failed, and no data of one that has not ended."""
    title = "Success rate, 24 h"
    assert played.answers.number(JOB, title, job=played.job("succeeds")) == 1
    assert played.answers.number(JOB, title, job=played.job("fails")) == 0
    assert played.answers.number(JOB, title, job=".*") == pytest.approx(2 / 3)
    assert played.answers.line(JOB, title, job=played.job("killed")) == []


def test_status_duration_and_records_of_the_run(played: Played, end: str) -> None:
    """AA07, AA08, AA09: it lasts at least as long as the code of its steps; a killed driver has no row."""
    rows = _rows(played, end, ENDED)
    assert [row["batch.status"] for row in rows] == [STATUS[one] for one in (end,) if one in STATUS]
    for row in rows:
        assert sum(_seconds(played, end).values()) <= float(row["batch.duration"]) < played.drivers[end].seconds
        assert row["batch.records.processed"] == str(PROCESSED.get(end, ""))
        assert row["batch.run.attempt"] == "1"


def test_steps_of_the_run(played: Played, end: str) -> None:
    """AA10, AA11: how long each lasted, and what it read and wrote."""
    rows = {row["batch.step.name"]: row for row in _rows(played, end, "Steps")}
    assert {
        step: StepDone(row["batch.status"], int(row["batch.records.read"]), int(row["batch.records.written"]))
        for step, row in rows.items()
    } == DONE[end]
    for step, seconds in _seconds(played, end).items():
        assert seconds <= float(rows[step]["batch.duration"]) < played.drivers[end].seconds


def test_records_of_the_last_day(played: Played) -> None:
    """AA14: a line from nothing to what the run has processed; there is none of the week before."""
    title = "Records of 24 hours, and a week before"
    points = played.answers.line(JOB, title, job=played.job("retried"))
    assert (points[-1], set(points) <= {0, 57}) == (57, True)
    assert played.answers.line(JOB, title, 1, job=played.job("retried")) == []


def test_what_spark_ran_for_each_step(played: Played, end: str) -> None:
    """The numbers of the steps are those of their spans, records those of Spark."""
    rows = {row["batch.step.name"]: row for row in _rows(played, end, OF_SPARK)}
    assert {
        step: (int(row["spark.input.records"]), int(row["spark.output.records"])) for step, row in rows.items()
    } == {step: done[1:] for step, done in DONE[end].items()}
    spans = {span.span_id: span for span in _spans(played, end)}
    counted: dict[str, Counter[str]] = {step: Counter() for step in DONE[end]}
    for span in spans.values():
        if span.name == "spark.job":
            counted[_step(spans, span)]["spark.jobs"] += 1
        if span.name == "spark.stage":
            counted[_step(spans, span)].update({"spark.stages": 1} | {key: int(span.attributes[key]) for key in SUMMED})
    for step, row in rows.items():
        assert {key: int(row[key]) for key in ("spark.jobs", "spark.stages", *SUMMED)} == counted[step], step
    assert sum(int(row["spark.tasks.failed"]) for row in rows.values()) == FAILED_TASKS[end]
    assert all(int(row["spark.executor.run_time"]) > 0 for row in rows.values())


SUMMED: Final = (
    *("spark.tasks.completed", "spark.tasks.failed", "spark.executor.run_time"),
    *("spark.shuffle.read.bytes", "spark.spill.disk.bytes"),
)
"""Attributes of stages that a step has as a sum."""


def _step(spans: dict[str, Span], span: Span) -> str:
    while not span.name.startswith("batch_step."):
        span = spans[span.parent_id]
    return span.name.removeprefix("batch_step.")


def test_the_trace_of_the_run(played: Played, end: str) -> None:
    """The tags of Jaeger's search find it, and no other one."""
    search, driven = target(RUN, "Trace"), played.drivers[end]
    assert search["service"] == "$service_name"
    for tag in ("", "deployment.environment.name=test"):
        chosen = {"run": driven.happened["run_id"], "environment_tag": tag}
        found = played.answers.traces(played.answers.service, search["tags"], **chosen)
        assert found == [driven.happened["trace_id"]], tag


def _page(played: Played, end: str) -> str:
    stores = played.answers.stack.stores
    sources = Sources(stores.prometheus, stores.logs[0], stores.traces[0])
    wanted = Wanted(str(played.drivers[end].happened["run_id"]), played.job(end))
    return rendering.html("run", page=run(sources, wanted, time.time()))


def test_stages_on_the_page_of_the_run(played: Played, end: str) -> None:
    """Each stage that Jaeger has, with its step; those with tasks that failed, and why."""
    page = _page(played, end)
    rows = rows_below(page, "Spark's stages")
    stages = [row for row in rows if "Stage" in row]
    spans = {span.span_id: span for span in _spans(played, end)}
    recorded = [span for span in spans.values() if span.name == "spark.stage"]
    recorded.sort(key=lambda span: int(span.attributes["spark.stage.id"]))
    assert [row["Step"] for row in stages] == [_step(spans, span) for span in recorded]
    assert [row["Stage"] for row in stages] == [str(span.attributes["spark.stage.id"]) for span in recorded]
    jobs = [spans[span.parent_id].attributes["spark.job.id"] for span in recorded]
    assert [row["Job"] for row in stages] == [str(number) for number in jobs]
    for column, way in (("Read", "input"), ("Written", "output")):
        counts = [f"{span.attributes[f'spark.{way}.records']:,} records" for span in recorded]
        assert [row[column].partition(" records")[0] + " records" for row in stages] == counts
    failing = [row for row in stages if "failed" in row["Tasks"]]
    assert [(row["Step"], row["Status"], row["Tasks"]) for row in failing] == FAILING[end]
    # Spark 3.5 has the message of the error far behind the first line.
    reason = "[TASK_WRITE_FAILED]" if played.answers.service == "spark-3.5" else "row 9001 is broken"
    assert [reason in row["Reason"] for row in rows if "Reason" in row] == [True] * (end == "fails")
    bars = {bar["Span"]: bar for bar in rows_below(page, "Waterfall")}
    assert sum(bar.startswith("spark.stage ") for bar in bars) == (len(stages) if end in STATUS else 0)
    assert ("spark.tasks.failed 1" in page) == (FAILED_TASKS[end] > 0)
    assert not any("spark.tasks.completed" in bar["Recorded"] for bar in bars.values())


FAILING: Final[dict[str, list[Any]]] = {
    "succeeds": [],
    "fails": [("transform", "FAILED", "1 of 2 1 failed")],
    "retried": [("transform", "COMPLETE", "2 of 2 1 failed")],
    "killed": [],
}
"""End of the driver -> stages with tasks that failed: one of two has succeeded before, or all of them afterwards."""


def test_steps_in_a_terminal(played: Played) -> None:
    """`runs show` has a row of Spark for each step."""
    parts = ["runs", "show", str(played.drivers["retried"].happened["run_id"]), "--job", played.job("retried")]
    called = CliRunner().invoke(main, [*parts, *of_stores(played.answers.stack.stores)])
    assert called.exit_code == 0, called.output
    lines = iter(called.stdout.splitlines())
    head = next(line for line in lines if "SPARK'S JOBS" in line)
    assert re.split(" {2,}", head)[:5] == ["STEP", "SPARK'S JOBS", "STAGES", "TASKS", "FAILED TASKS"]
    keys = ("batch.step.name", "spark.jobs", "spark.stages", "spark.tasks.completed", "spark.tasks.failed")
    for row in sorted(_rows(played, "retried", OF_SPARK), key=lambda row: [*DONE["retried"]].index(row[keys[0]])):
        assert next(lines).split()[:5] == [row[key] for key in keys]
