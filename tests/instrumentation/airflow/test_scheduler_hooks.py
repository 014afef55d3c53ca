"""What hooks of DAG runs hand over that are called again, as the scheduler does whose transaction has failed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from batchtel.airflow import scheduler_hooks
from batchtel.airflow.helper import Messenger
from tests.support.sink import Sink

QUEUED = datetime(2026, 11, 1, tzinfo=UTC)


def _run(state: str, **changed: Any) -> SimpleNamespace:
    """Return a DAG run as the hooks read it."""
    minute = timedelta(minutes=1)
    columns = {"dag_id": "again", "run_id": "run-1", "run_type": "manual", "state": state, "queued_at": QUEUED}
    times = {"start_date": QUEUED, "end_date": None if state == "running" else QUEUED + minute}
    return SimpleNamespace(**(columns | times | changed))


@pytest.fixture
def messenger(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> Messenger:
    """A way to a helper of its own, which exports to the sink."""
    own = Messenger()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.url)
    monkeypatch.setattr(scheduler_hooks, "MESSENGER", own)
    return own


def _end(messenger: Messenger) -> None:
    """Wait until the helper has reported everything."""
    helper = messenger._helper
    assert helper is not None
    messenger.forget()
    helper.wait(60)


def test_hooks_that_are_called_again(sink: Sink, messenger: Messenger) -> None:
    """A run has started and ended once, however often it is decided; one that was cleared starts and ends again."""
    for _ in range(3):
        scheduler_hooks.run_started(_run("running"))
    for _ in range(2):
        scheduler_hooks.run_ended(_run("failed"), "task_failure")
    later = QUEUED + timedelta(hours=1)
    for _ in range(2):
        scheduler_hooks.run_started(_run("running", queued_at=later, start_date=later))
    _end(messenger)
    assert sink.total("batch.job.runs.started", job_name="again") == 2
    assert sink.total("batch.job.completions", job_name="again", status="failure") == 1


def test_a_run_that_has_timed_out(sink: Sink, messenger: Messenger) -> None:
    """A run that fails beyond its `dagrun_timeout` has timed out, though Airflow, before 3.3, gives no reason."""
    for run_id, seconds in (("over", 60), ("within", 61)):
        dag = SimpleNamespace(dagrun_timeout=timedelta(seconds=seconds))
        scheduler_hooks.run_ended(_run("failed", dag_id="late", run_id=run_id, dag=dag), "")
    _end(messenger)
    assert sink.total("batch.job.completions", job_name="late", status="timeout") == 1
    assert sink.total("batch.job.completions", job_name="late", status="failure") == 1
