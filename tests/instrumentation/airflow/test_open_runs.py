"""The helper of a scheduler, which watches the limits of time of open DAG runs, and judges them when they end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchtel.airflow import task_data
from batchtel.airflow.dag_run import ReportedRun
from batchtel.airflow.facts import DagRun, Task
from batchtel.airflow.open_runs import Database, OpenRuns, Waiting
from batchtel.base.outcome import Outcome
from batchtel.base.shared_counts import RecordCounts
from batchtel.testing import Captured

pytest_plugins = ["batchtel.testing.fixture"]

SLA = """
[jobs.nightly.sla]
max_duration = "5s"
min_records = 10
max_data_age = "1h"

[jobs.timed.sla]
max_duration = "1h"
"""


class FakeDatabase(Database):
    """Airflow's database, as far as the helper reads it."""

    def __init__(self, *, is_open: bool = True, waiting: tuple[Waiting, ...] = ()) -> None:
        super().__init__("")
        self.answer = is_open
        self.rows = waiting

    def is_open(self, dag_id: str, run_id: str) -> bool:
        """Return what it was given."""
        return self.answer

    def waiting(self) -> Iterator[Waiting]:
        """Yield what it was given."""
        yield from self.rows


@pytest.fixture(autouse=True)
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue, and a temporary folder of the test's own."""
    (tmp_path / "jobs.toml").write_text(SLA, encoding="utf-8")
    monkeypatch.setenv("BATCHTEL_CATALOGUE", str(tmp_path / "jobs.toml"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def _run(state: str = "running", dag_id: str = "nightly", ago: float = 60.0) -> DagRun:
    now = time.time()
    ended = None if state == "running" else now
    return DagRun(dag_id, "run-1", "scheduled", state, now - ago, now - ago, now - ago, ended, traceparent="")


def _watching(run: DagRun, database: Database) -> OpenRuns:
    """Return the runs that a helper watches which has seen the start of `run`."""
    runs = OpenRuns()
    runs._database = database
    started = ReportedRun(run)
    started.report_start()
    runs.started(started, run)
    return runs


def _violations(captured: Captured, kind: str) -> float:
    return captured.counter("batch.job.sla.violations", violation_type=kind)


def test_a_limit_of_time_is_counted_once(captured: Captured) -> None:
    """A run that lasts too long is reported while it runs, once, and not again at its end."""
    runs = _watching(_run(), FakeDatabase())
    runs.look()
    runs.look()
    assert _violations(captured, "duration_exceeded") == 1
    assert [event["batch.sla.violation"] for event in captured.events("batch.sla.violated")] == ["duration_exceeded"]
    assert not captured.events("batch.run.finished")
    runs.ended(_run("success")).report_end(Outcome("success"))
    assert _violations(captured, "duration_exceeded") == 1
    assert captured.event("batch.run.finished")["batch.sla.met"] is False
    assert list(captured.event("batch.run.finished")["batch.sla.violations"]) == ["duration_exceeded"]


def test_a_run_that_another_scheduler_has_ended_is_not_late(captured: Captured) -> None:
    """What Airflow's database has as ended is no longer watched."""
    runs = _watching(_run(), FakeDatabase(is_open=False))
    runs.look()
    runs.look()
    assert _violations(captured, "duration_exceeded") == 0


def test_a_run_that_another_scheduler_watches_is_not_counted_twice(
    captured: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scheduler that ends it reports that it was late, and leaves the counting to the one that has started it."""
    monkeypatch.setattr("batchtel.airflow.open_runs.time.time", lambda: 0.0)
    runs = OpenRuns()
    monkeypatch.undo()
    runs.ended(_run("success", dag_id="timed", ago=7200)).report_end(Outcome("success"))
    assert not captured.events("batch.sla.violated")
    assert _violations(captured, "duration_exceeded") == 0


def test_a_run_older_than_the_helper_is_judged_at_its_end(captured: Captured) -> None:
    """A scheduler that was restarted has no more than the end of the run."""
    OpenRuns().ended(_run("success")).report_end(Outcome("success"))
    assert _violations(captured, "duration_exceeded") == 1


@pytest.mark.parametrize(
    ("counts", "met", "violated"),
    [
        (None, None, []),
        (RecordCounts(), None, []),
        (RecordCounts(processed=10), None, []),
        (RecordCounts(processed=9), False, ["insufficient_records"]),
        (RecordCounts(processed=10, newest=time.time()), True, []),
        (RecordCounts(processed=10, newest=time.time() - 7200), False, ["data_stale"]),
        (RecordCounts(failed_in_steps=0, newest=time.time()), None, []),
    ],
)
def test_only_what_is_judged_is_met(
    captured: Captured, counts: RecordCounts | None, met: bool | None, violated: list[str]
) -> None:
    """A run with a rule that cannot be judged reports nothing, unless it violates another one."""
    run = _run("success", ago=1)
    OpenRuns().ended(run).report_end(Outcome("success"), counts)
    finished = captured.event("batch.run.finished")
    assert finished.get("batch.sla.met") == met
    assert list(finished.get("batch.sla.violations", [])) == violated


def test_what_waits_has_states(captured: Captured) -> None:
    """Runs and tasks that wait have the state that Airflow has, with the time since when."""
    waiting = (Waiting("etl", "", "queued", 1e9), Waiting("etl", "load", "scheduled", 1e9 + 1))
    runs = OpenRuns()
    runs._database = FakeDatabase(waiting=waiting)
    runs.look()
    assert captured.maximum("batch.job.state.timestamp", job_name="etl", state="queued") == 1e9
    step = {"job_name": "etl", "step_name": "load", "state": "scheduled"}
    assert captured.maximum("batch.step.state.timestamp", **step) == 1e9 + 1


def _task(task_id: str, try_number: int = 1, map_index: int = -1) -> Task:
    return Task(
        *("nightly", "run-1", task_id, map_index, try_number, "running", 1, 0, False, "", "", "", "scheduled", None, "")
    )


def test_all_tasks_of_a_run_are_added_up() -> None:
    """The last try of each task counts, with all its processes; where one is missing there is no sum."""
    run = _run("success", ago=1)
    assert task_data.of_run(run, 0) == RecordCounts()
    assert task_data.of_run(run, 1) is None
    task_data.keep(_task("load"), RecordCounts(processed=100))
    task_data.keep(_task("load", try_number=2), RecordCounts(processed=3, failed=1))
    task_data.keep(_task("load", try_number=2), RecordCounts(processed=4))
    task_data.keep(_task("map", map_index=0), RecordCounts(processed=10, newest=5.0))
    task_data.keep(_task("map", map_index=1), RecordCounts(newest=6.0))
    task_data.keep(_task("quiet"), RecordCounts())
    assert task_data.of_run(run, 4) == RecordCounts(processed=17, failed=1, newest=6.0)
    assert task_data.of_run(run, 5) is None


def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    """What others may write into is neither read nor written."""
    task_data.keep(_task("load"), RecordCounts(processed=1))
    (folder,) = tmp_path.glob("batchtel-*")
    folder.chmod(0o777)
    assert task_data.of_run(_run("success", ago=1), 1) is None
