"""Each PromQL of the boards on the stack that the demo has fed: panel, query, and what the ledger of the jobs has."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pytest

from batchtel_dashboards.boards import shipped
from batchtel_dashboards.panel_queries import STATE_CODES
from batchtel_stack.demo import ledger
from batchtel_stack.demo.jobs import etl, fleet, idle, race, retry
from batchtel_stack.demo.target import SERVICE
from tests.stack.conftest import Played
from tests.support.boards import ALL, queries, substituted
from tests.support.polling import until

FLEET, JOB, SLA, TASKS = "batch-fleet", "batch-job", "batch-sla", "batch-airflow-tasks"

LATER: Final = 150.0
"""Seconds after now at which queries are evaluated: those of lost runs count what is older than 2 minutes."""

Lines = Sequence[ledger.Line]
Numbers = Mapping[tuple[str, ...], float]
"""Values of the labels of a row -> its number."""


def _number(lines: Lines, event: str, by: Sequence[str] = (), **only: str) -> Numbers:
    """Return how many events of a kind are in the ledger."""
    found = [line for line in lines if line["event"] == event and only.items() <= line.items()]
    return Counter(tuple(line[key] for key in by) for line in found)


def _sum(lines: Lines, event: str, what: str, by: Sequence[str] = ()) -> Numbers:
    """Return the sum of a number of an event; a job that has not counted it has none."""
    sums: dict[tuple[str, ...], float] = defaultdict(float)
    for line in lines:
        if line["event"] == event and what in line:
            sums[tuple(line[key] for key in by)] += line[what]
    return sums


def _share(lines: Lines, by: Sequence[str] = ()) -> Numbers:
    """Return the share of ended runs that have succeeded; 0 where all have failed."""
    good, ended = _number(lines, "ended", by, status="success"), _number(lines, "ended", by)
    return {who: good.get(who, 0) / number for who, number in ended.items()}


def _quality(lines: Lines) -> Numbers:
    scored = [line for line in lines if "quality" in line]
    return {
        who: total / _number(scored, "ended", ["job"])[who]
        for who, total in _sum(scored, "ended", "quality", ["job"]).items()
    }


def _state(lines: Lines) -> Numbers:
    """Return the state of each job whose last end is certain: runs of the fleet end beside each other."""
    ended = [line for line in lines if line["event"] == "ended" and line["job"] not in fleet.JOBS]
    last = {line["job"]: line["status"] for line in sorted(ended, key=lambda line: int(line["attempt"]))}
    return {(job,): STATE_CODES[status] for job, status in last.items()}


@dataclass(frozen=True)
class Row:
    """One query of a panel, the labels by which its rows are named here, and what the ledger has for them.

    `jobs` is what a reader selects.
    """

    board: str
    panel: str
    query: int
    labels: Sequence[str]
    expected: Callable[[Lines], Numbers]
    jobs: str = ".*"


_WHO: Final = ("job_name",)
_STEP: Final = ("job_name", "step_name")
_ENDED: Final = ("status",)
_SINGLE: Final = "|".join((race.JOB, etl.JOB, retry.JOB, idle.JOB))


TABLE: Final = (
    Row(FLEET, "Success rate, 24 h", 0, (), _share),
    Row(FLEET, "Runs started, 24 h", 0, (), lambda lines: _number(lines, "started")),
    Row(FLEET, "Runs failed, 24 h", 0, (), lambda lines: _number(lines, "ended", status="failure")),
    Row(FLEET, "Runs lost, 24 h", 0, (), lambda _: {(): 0}),
    Row(FLEET, "SLA violations, 24 h", 0, (), lambda _: {}),
    Row(FLEET, "Runs that ended, by status", 0, _ENDED, lambda lines: _number(lines, "ended", ["status"])),
    Row(FLEET, "Success rate of the last hour, by job", 0, _WHO, lambda lines: _share(lines, ["job"])),
    Row(
        FLEET,
        "Failures by error type, 24 h",
        0,
        ("error_type",),
        lambda lines: _number(lines, "ended", ["error_type"], status="failure"),
    ),
    Row(FLEET, "State of each job", 0, _WHO, _state, _SINGLE),
    Row(FLEET, "Jobs, 24 h", 1, _WHO, lambda lines: _number(lines, "started", ["job"])),
    Row(FLEET, "Jobs, 24 h", 2, _WHO, lambda lines: _number(lines, "ended", ["job"], status="failure")),
    Row(FLEET, "SLA violations by job and rule, 24 h", 0, _WHO, lambda _: {}),
    Row(JOB, "Success rate, 24 h", 0, (), _share),
    Row(JOB, "Runs lost, 24 h", 0, (), lambda _: {(): 0}),
    Row(
        JOB,
        "Retries, 24 h",
        0,
        (),
        lambda lines: {(): sum(line.get("attempt", 1) > 1 for line in lines if line["event"] == "started")},
    ),
    Row(JOB, "State", 0, _WHO, _state, _SINGLE),
    Row(JOB, "Runs that ended, by status", 0, _ENDED, lambda lines: _number(lines, "ended", ["status"])),
    Row(
        JOB,
        "Failures by error type",
        0,
        ("error_type",),
        lambda lines: _number(lines, "ended", ["error_type"], status="failure"),
    ),
    Row(JOB, "Records", 0, (), lambda lines: _sum(lines, "ended", "processed")),
    Row(JOB, "Records", 1, (), lambda lines: _sum(lines, "ended", "failed")),
    Row(JOB, "Data quality, mean of 24 hours", 0, _WHO, _quality),
    Row(JOB, "Steps, 24 h", 1, _STEP, lambda lines: _sum(lines, "step", "read", ["job", "step"])),
    Row(JOB, "Steps, 24 h", 2, _STEP, lambda lines: _sum(lines, "step", "written", ["job", "step"])),
    Row(JOB, "Steps, 24 h", 3, _STEP, lambda lines: _number(lines, "step", ["job", "step"], status="failure")),
    Row(JOB, "Runs of 24 hours, and a week before", 0, _WHO, lambda lines: _number(lines, "started", ["job"])),
    Row(
        JOB, "Records of 24 hours, and a week before", 0, _WHO, lambda lines: _sum(lines, "ended", "processed", ["job"])
    ),
    Row(TASKS, "Task failures, 24 h", 0, (), lambda lines: _number(lines, "step", status="failure")),
    Row(TASKS, "Tasks that ended, by status", 0, _ENDED, lambda lines: _number(lines, "step", ["status"])),
    Row(TASKS, "Tasks", 1, _STEP, lambda lines: _number(lines, "step", ["job", "step"])),
    Row(TASKS, "Tasks", 2, _STEP, lambda lines: _number(lines, "step", ["job", "step"], status="failure")),
    Row(SLA, "Violations by job and rule, 24 h", 0, _WHO, lambda _: {}),
    Row(SLA, "Deadlines and last success", 2, _WHO, lambda _: {}),
    Row(SLA, "Violations over time", 0, _WHO, lambda _: {}),
    Row(SLA, "Kept, and budget left", 0, _WHO, lambda _: {}),
    Row(SLA, "Kept, and budget left", 1, _WHO, lambda _: {}),
)
"""Every query that counts what a job does. A row of the ledger that Prometheus has as well has the same number."""

_TIME: Final = "durations, ages and rates: the ledger has no times"
_NOW: Final = "it changes while the test runs; tests/stack/test_boards.py compares it"
_OTHER: Final = "the demo reports none; tests/stack/test_boards.py compares it"
_WEEK: Final = "data of the week before"
NOT_OF_LEDGER: Final = {
    (FLEET, "Running now"): _NOW,
    (FLEET, "Duration of runs: p50, p95, p99"): _TIME,
    (FLEET, "Queue wait"): _OTHER,
    (FLEET, "Records per minute"): _TIME,
    (FLEET, "CPU of runs"): _TIME,
    (FLEET, "Peak memory of runs: p95"): "memory is not in the ledger",
    (FLEET, "Jobs, 24 h"): "last success and memory: " + _TIME,
    (JOB, "Last success"): _TIME,
    (JOB, "Running now"): _NOW,
    (JOB, "Age of the data"): _OTHER,
    (JOB, "Duration: p50, p95"): _TIME,
    (JOB, "Queue wait: p95"): _OTHER,
    (JOB, "Mean duration of steps"): _TIME,
    (JOB, "Steps, 24 h"): "durations: " + _TIME + "; retries of steps: " + _OTHER,
    (JOB, "Runs of 24 hours, and a week before"): _WEEK,
    (JOB, "Records of 24 hours, and a week before"): _WEEK,
    (SLA, "Deadlines and last success"): _OTHER,
    (TASKS, "Tasks currently failed"): _NOW,
    (TASKS, "Tasks currently succeeded"): _NOW,
    (TASKS, "Tasks currently running or retrying"): _NOW,
    (TASKS, "Tasks by their current state"): _NOW,
    (TASKS, "State of each task"): _NOW,
    (TASKS, "Tasks"): "last success and duration: " + _TIME,
}
"""Panel -> why those of its queries that are not in TABLE have no number in the ledger."""

OWN_METRICS: Final = ("batch-pipeline", "batch-airflow-cluster", "batch-airflow-dag")
"""Boards about the collector, and about Airflow: tests/stack/test_boards.py and tests/airflow/test_boards.py."""


def _queries(board: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for panel, query in queries(json.loads(shipped.texts("exact")[board])):
        found[panel].append(query)
    return found


@pytest.fixture(scope="module")
def settled(played: Played) -> Played:
    """The stack as soon as all runs ended 2 minutes before the time of the queries, for those of lost runs."""
    played.witnesses.settle()
    last = time.time()
    until("2 minutes since then at the time of queries", lambda: time.time() > last + 121 - LATER or None, 60)
    return played


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.board}, {row.panel}, {row.query}")
def test_a_query_returns_what_the_ledger_has(settled: Played, row: Row) -> None:
    """Each row of the ledger, with its labels and its number, and no other row."""
    query = substituted(
        _queries(row.board)[row.panel][row.query],
        {**ALL, "service": SERVICE, "job": row.jobs, "__interval": "1d", "__rate_interval": "1d"},
    )
    fields = {"query": query, "time": time.time() + LATER}
    answer: list[Mapping[str, Any]] = settled.stack.stores.prometheus.found("/api/v1/query", fields, "data", "result")
    expected = row.expected(ledger.read(settled.ledger))
    observed = {tuple(one["metric"].get(label, "") for label in row.labels): float(one["value"][1]) for one in answer}
    assert len(observed) == len(answer)
    # A series that has counted nothing is 0; no row of the ledger is missing, and none is 0 because it is missing.
    assert {who: number for who, number in observed.items() if number or who in expected} == pytest.approx(expected)


def test_every_query_of_a_job_is_in_a_table() -> None:
    """A new panel has a row with what it returns, or a reason why the ledger cannot have it."""
    texts = {board: _queries(board) for board in shipped.texts("exact") if board not in OWN_METRICS}
    compared = {(row.board, row.panel, row.query) for row in TABLE}
    for board, panels in texts.items():
        for panel, found in panels.items():
            left = [number for number in range(len(found)) if (board, panel, number) not in compared]
            assert bool(left) == ((board, panel) in NOT_OF_LEDGER), (board, panel, left)
    shown = {(board, panel) for board, panels in texts.items() for panel in panels}
    assert {key[:2] for key in compared} | set(NOT_OF_LEDGER) == shown
