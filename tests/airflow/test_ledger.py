"""Every DAG run and every try of a task in Airflow's own database, against the three stores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any, Final, TypeVar

import pytest

from tests.airflow.acts import ENDED_BEFORE, REPORTED_BEFORE
from tests.airflow.conftest import Played
from tests.airflow.ledger import REPORTED, Key, Ledger
from tests.support.polling import until

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(1500)]

SECONDS: Final = 60.0
"""How long the last reports may need into a store; those of runs that ended before have arrived."""

Counted = TypeVar("Counted", bound=Hashable)


def _compare(what: str, expected: Counter[Counted], look: Callable[[], Counter[Counted]]) -> None:
    """Assert that a store has what is expected, or has it soon, and no more than that."""
    assert sum(expected.values()) > 20, "the ledger is empty"

    def difference() -> str:
        found = look()
        return f"{what}\nnot in the store: {dict(expected - found)}\nonly in the store: {dict(found - expected)}"

    until(f"all {what}", lambda: not expected - look() or None, SECONDS, difference)
    assert look() == expected, difference()


def _counts(played: Played, metric: str, dag_ids: set[str], *labels: str) -> Counter[tuple[str, ...]]:
    """Return what the tasks or runs of DAGs have added to a counter, by labels; job() in a task is none of them."""
    counts = Counter[tuple[str, ...]]()
    for step, count in played.witness.added_by(metric, *labels).items():
        if step[0] in dag_ids:
            counts[tuple(REPORTED.get(text, text) for text in step)] += count
    return counts


@pytest.fixture
def ledger(acted: Played) -> Ledger:
    """All tries of all tasks, where Airflow has written down what their processes reported."""
    if acted.version == "3.1":
        pytest.skip("Airflow 3.1 writes nothing of a task's process into its audit log")
    return Ledger(acted.airflow)


def test_steps_started(acted: Played, ledger: Ledger) -> None:
    """Each task has started once in Prometheus, and once more for each time it was cleared."""
    look = partial(_counts, acted, "batch.step.runs.started", ledger.dag_ids, "job_name", "step_name")
    _compare("starts of tasks", ledger.started(), look)


def test_steps_completed(acted: Played, ledger: Ledger) -> None:
    """Each start has one completion, as it ended in Airflow."""
    look = partial(_counts, acted, "batch.step.completions", ledger.dag_ids, "job_name", "step_name", "status")
    _compare("completions of tasks", ledger.completions(), look)


def _ends(played: Played) -> list[tuple[str, str]]:
    """Return DAG id and state of every end that a DAG run has had."""
    rows = played.airflow.rows("SELECT dag_id, state FROM dag_run")
    return [(dag_id, REPORTED_BEFORE.get(dag_id, state)) for dag_id, state in rows] + ENDED_BEFORE


@pytest.mark.compatible(
    "Airflow",
    "LocalExecutor, 3.3 and 2.11: all runs in the database of Airflow",
    "each once, in all stores",
)
def test_runs(acted: Played) -> None:
    """Every DAG run has started once and completed once, and once more where it was cleared and has run again."""
    ends = _ends(acted)
    dag_ids = {dag_id for dag_id, _ in ends}
    look = partial(_counts, acted, "batch.job.runs.started", dag_ids, "job_name")
    _compare("starts of runs", Counter[tuple[str, ...]]((dag_id,) for dag_id, _ in ends), look)
    look = partial(_counts, acted, "batch.job.completions", dag_ids, "job_name", "status")
    _compare("completions of runs", Counter[tuple[str, ...]](ends), look)


def _key(fields: Mapping[str, Any]) -> Key:
    """Return the key of an event or of a span."""
    names = (
        "batch.job.name",
        "batch.run.id",
        "batch.step.name",
        "airflow.task_instance.map_index",
        "batch.step.attempt",
    )
    dag_id, run_id, task_id, map_index, attempt = (str(fields[name]) for name in names)
    return dag_id, run_id, task_id, int(map_index), int(attempt)


def test_events(acted: Played, ledger: Ledger) -> None:
    """The store of logs has one event for each completion, found by DAG, run, task, map index and try."""

    def look() -> Counter[Key]:
        found = acted.witness.all_events("batch.step.finished")
        return Counter(_key(fields) for fields in found if fields["batch.job.name"] in ledger.dag_ids)

    _compare("events of tasks", ledger.finished(), look)


def test_spans(acted: Played, ledger: Ledger) -> None:
    """The store of traces has one span for each attempt, all in the one trace of their run."""
    named = {
        (fields["batch.job.name"], fields["batch.run.id"], fields["trace_id"])
        for name in ("batch.run.finished", "batch.step.finished", "batch.attempt.failed")
        for fields in acted.witness.all_events(name)
        if fields["batch.job.name"] in ledger.dag_ids
    }
    assert len(named) == len({(dag_id, run_id) for dag_id, run_id, _ in named}), "more than one trace of a run"

    def look() -> Counter[Key]:
        spans = [span for *_, trace_id in named for span in acted.witness.trace(trace_id)]
        steps = [span.attributes for span in spans if span.name.startswith("batch_step.")]
        return Counter(_key(step) for step in steps if step["batch.job.name"] in ledger.dag_ids)

    _compare("spans of attempts", ledger.spans(), look)
