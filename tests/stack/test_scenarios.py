"""The scenarios on the real stack: the stores are equal to the ledger, and to no other."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batchtel_dashboards import baselines, queries
from batchtel_dashboards.stores import Wanted
from batchtel_stack.demo.compare import Comparison, Witnesses
from batchtel_stack.demo.jobs import etl, fleet, idle, race, retry
from batchtel_stack.demo.one_run import OneRun
from batchtel_stack.demo.play import EXPORT_INTERVAL
from batchtel_stack.demo.scenarios import SCENARIOS
from batchtel_stack.demo.target import SERVICE, Target
from tests.stack.conftest import Played
from tests.support.polling import until

Line = dict[str, Any]


def _differing(comparisons: list[Comparison]) -> list[str]:
    return [
        f"{row.job}, {row.name}: {row.expected:g} happened, stores have {dict(row.observed)}"
        for one in comparisons
        for row in one.rows()
        if not row.equal
    ]


@pytest.mark.parametrize("name", [scenario.name for scenario in SCENARIOS])
def test_stores_agree_with_the_ledger(played: Played, name: str) -> None:
    """Every store is equal to the ledger."""
    (comparison,) = [one for one in played.witnesses.compare() if one.scenario.name == name]
    assert comparison.ok, "\n".join(_differing([comparison]))


def test_ledger_has_what_the_scenarios_do(played: Played) -> None:
    """Ten failures at once, bad records, a second attempt, nothing processed: the ledger has all of it."""
    counts = {job: counted for one in played.witnesses.compare() for job, counted in one.expected.items()}
    assert counts[race.JOB]["failure (IntegrityError)"] == race.PROCESSES
    assert counts[race.JOB]["insert: failure (IntegrityError)"] == race.PROCESSES
    assert counts[etl.JOB]["failed"] == counts[etl.JOB]["failed records by id"] > 0
    assert counts[etl.JOB]["processed"] == counts[etl.JOB]["load: written"] > 0
    assert 0 < counts[etl.JOB]["quality"] < 1
    assert counts[retry.JOB]["started"] == 2
    assert counts[retry.JOB]["retries"] == counts[retry.JOB]["run ids"] == counts[retry.JOB]["success"] == 1
    assert counts[idle.JOB]["success"] == 1
    assert counts[idle.JOB]["processed"] == 0
    for job in fleet.JOBS:
        assert counts[job]["success"] == counts[job]["failure (FileNotFoundError)"] == 1


def _again(lines: list[Line]) -> None:
    lines.append(next(line for line in lines if line["event"] == "started"))


def _one_less(lines: list[Line]) -> None:
    lines.remove(next(line for line in lines if line["event"] == "ended"))


def _other_error(lines: list[Line]) -> None:
    next(line for line in lines if line.get("error_type") == "IntegrityError")["error_type"] = "OperationalError"


def _more_records(lines: list[Line]) -> None:
    next(line for line in lines if line.get("written") and line["step"] == "load")["written"] += 1


def _better_data(lines: list[Line]) -> None:
    next(line for line in lines if line.get("quality"))["quality"] += 0.0001


def _other_schema(lines: list[Line]) -> None:
    next(line for line in lines if line.get("schema_version"))["schema_version"] = "3"


def _other_run(lines: list[Line]) -> None:
    for line in lines:
        if line["run_id"] == lines[0]["run_id"]:
            line["run_id"] = "another"


def _other_job(lines: list[Line]) -> None:
    lines.append({"event": "started", "job": "never_ran", "run_id": "1", "attempt": 1})


def _swapped_jobs(lines: list[Line]) -> None:
    """Exchange two jobs of the fleet that have the same sums over the fleet."""
    first, second = list(fleet.JOBS)[:2]
    next(line for line in lines if line["job"] == first and line["event"] == "started")["job"] = second


@pytest.mark.parametrize(
    "tamper",
    [
        _again,
        _one_less,
        _other_error,
        _more_records,
        _better_data,
        _other_schema,
        _other_run,
        _other_job,
        _swapped_jobs,
    ],
)
def test_another_ledger_differs(played: Played, tmp_path: Path, tamper: Callable[[list[Line]], None]) -> None:
    """Whatever is changed in the ledger, at least one store disagrees."""
    lines = [json.loads(text) for file in sorted(played.ledger.iterdir()) for text in file.read_text().splitlines()]
    tamper(lines)
    (tmp_path / "all.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    comparisons = Witnesses(tmp_path, Target.own(played.stack, EXPORT_INTERVAL), played.since).compare()
    assert _differing(comparisons)
    assert not all(one.ok for one in comparisons)


def test_empty_ledger_agrees_with_nothing(played: Played, tmp_path: Path) -> None:
    """Without a ledger no scenario is ok, not even one whose numbers are 0."""
    comparisons = Witnesses(tmp_path, Target.own(played.stack, EXPORT_INTERVAL), played.since).compare()
    assert not any(one.ok for one in comparisons)


def test_unreadable_ledger_is_named(played: Played, tmp_path: Path) -> None:
    """A line that is not JSON is an error with file and line."""
    shutil.copytree(played.ledger, tmp_path / "ledger")
    (tmp_path / "ledger" / "a.jsonl").write_text('{"event": ')
    with pytest.raises(ValueError, match=r"/a\.jsonl:1: not a line of a ledger: "):
        Witnesses(tmp_path / "ledger", Target.own(played.stack, EXPORT_INTERVAL), played.since).compare()


def test_no_series_has_a_run_id(played: Played) -> None:
    """No label of any series contains the id of a run, and the search would find one."""
    assert played.witnesses.series_with_run_id() == 0
    series = played.witnesses.stores.prometheus.series(queries.of_service(SERVICE))
    names = {labels["job_name"] for labels in series if "job_name" in labels}
    assert race.JOB in names


def test_recorded_means_are_no_series_of_runs(played: Played) -> None:
    """They appear when rules are evaluated: the number of series is the same before and after."""
    prometheus = played.witnesses.stores.prometheus
    # Their group is evaluated every 2 minutes, at a time of its own.
    until("a recorded mean", lambda: prometheus.query(baselines.DURATION) or None, 180)
    names = [labels["__name__"] for labels in prometheus.series(queries.of_service(SERVICE))]
    assert baselines.DURATION in names
    assert played.witnesses.number_of_series() == sum(":" not in name for name in names)


def test_one_run_in_full(played: Played) -> None:
    """A run is found by its id: its events, and by their trace id its spans."""
    (run,) = OneRun.find(played.witnesses, etl.JOB)
    assert run.ok
    assert [span.name for span in run.spans] == [
        "batch_job.airport_etl",
        "batch_step.extract",
        "batch_step.transform",
        "batch_step.load",
    ]
    failed = [record for record in run.records if record.fields.get("event_name") == "batch.record.failed"]
    (own,) = [record for record in run.records if "event_name" not in record.fields]
    assert (
        own.line == f"loaded {run.spans[0].attributes['batch.records.processed']} airports, {len(failed)} have no city"
    )


def test_failed_run_has_its_stack_trace(played: Played) -> None:
    """The event of a run that failed has the line of the job's code."""
    (logs,) = played.stack.stores.logs
    wanted = Wanted("batchtel-demo", "batch.run.finished", race.JOB)
    records = logs.records(wanted, played.since - 60, played.since + 600)
    assert len(records) == race.PROCESSES
    for record in records:
        assert "in main" in record.fields["exception.stacktrace"]
        assert record.fields["exception.message"] == "UNIQUE constraint failed: hub.iata"
