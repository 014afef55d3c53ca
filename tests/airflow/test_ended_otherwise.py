"""Tasks of every shape, and tasks and runs that are cleared, set by hand or ended from outside: each counted once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from tests.airflow.conftest import Played
from tests.airflow.lines import Airflow3
from tests.airflow.test_outcomes import SUCCESS, Reported, assert_reported
from tests.support.polling import until

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(1500)]


SKIPPED = {("skipped", ""): 1}
CANCELLED = {("cancelled", ""): 1}

TABLE = {
    "shapes": {
        "some_fail": Reported(
            "failed success success", 3, {("failure", "ValueError"): 1, ("success", ""): 2}, retries=2
        ),
        "chain_1": Reported("upstream_failed", 1, SKIPPED),
        "chain_2": Reported("upstream_failed", 1, SKIPPED),
        "on_one_failed": Reported("success", 1, SUCCESS),
        "on_all_done": Reported("success", 1, SUCCESS),
        "on_all_failed": Reported("skipped", 1, SKIPPED),
        "each.read": Reported("skipped success", 2, {("success", ""): 1, ("skipped", ""): 1}),
        "each.mark": Reported("skipped success", 2, {("success", ""): 1, ("skipped", ""): 1}),
        "gives_up": Reported("failed", 1, {("failure", "AirflowFailException"): 1}),
        "terminated": Reported("success", 1, SUCCESS),
        "pokes_twice": Reported("success", 1, SUCCESS),
        "prepare": Reported("success", 1, SUCCESS),
        "fails": Reported("failed", 1, {("failure", "RuntimeError"): 1}),
        "tidy_up": Reported("success", 1, SUCCESS),
        "bad_template": Reported("failed", 1, {("failure", "UndefinedError"): 1}),
    },
    "all_skipped": {"nothing_new": Reported("skipped", 1, SKIPPED), "after": Reported("skipped", 1, SKIPPED)},
    "refused": {"never_begins": Reported("failed", 1, {("lost", ""): 1}, retries=1)},
    "fails_fast": {
        "goes_on": Reported("failed", 1, CANCELLED),
        "fails_beside_it": Reported("failed", 1, {("failure", "ValueError"): 1}),
    },
    "timed_out": {
        "runs": Reported("skipped", 1, CANCELLED),
        "waits_for_retry": Reported("skipped", 1, SKIPPED),
        "waits_for_poke": Reported("skipped", 1, SKIPPED),
        "deferred": Reported("skipped", 1, SKIPPED),
        "never_began": Reported("skipped", 1, SKIPPED),
    },
    "ended_by_hand": {
        "runs": Reported("failed", 1, CANCELLED),
        "waits_for_retry": Reported("skipped", 1, SKIPPED),
        "waits_for_poke": Reported("failed", 1, {("failure", "unknown"): 1}),
        "deferred": Reported("failed", 1, {("failure", "unknown"): 1}),
        "never_began": Reported("skipped", 1, SKIPPED),
    },
    "set_by_hand": {
        "runs": Reported("success", 1, CANCELLED),
        "waits_for_retry": Reported("skipped", 1, SKIPPED),
        "deferred": Reported("failed", 1, {("failure", "unknown"): 1}),
        "never_began": Reported("success", 1, SUCCESS),
        "fails": Reported("success", 1, {("failure", "ValueError"): 1}),
        "cleared": Reported("success", 2, CANCELLED | SUCCESS),
    },
    "cleared": {
        "once": Reported("success", 2, {("success", ""): 2}),
        "empty_once": Reported("success", 2, {("success", ""): 2}),
        "second_time": Reported("success", 2, {("failure", "ConnectionError"): 1} | SUCCESS),
        "behind": Reported("success", 2, SKIPPED | SUCCESS),
    },
}
"""What becomes of the tasks of each DAG on Airflow 3.3; the states of mapped ones in a row."""

NOT_ON_2 = {"refused", "fails_fast", "ended_by_hand", "set_by_hand"}
"""DAGs that Airflow 2 does not have, for what they show cannot happen there."""

ON_2 = {
    ("shapes", "terminated"): Reported("failed", 1, CANCELLED, retries=1),
    ("timed_out", "runs"): Reported("skipped", 1, CANCELLED),
    ("timed_out", "never_began"): Reported("None", 0, {}),
}
ON_3_1 = {
    ("timed_out", "never_began"): Reported("None", 0, {}),
    ("ended_by_hand", "runs"): Reported("success", 1, CANCELLED),
    ("ended_by_hand", "waits_for_retry"): Reported("success", 1, {}),
    ("ended_by_hand", "waits_for_poke"): Reported("success", 1, {}),
    ("ended_by_hand", "deferred"): Reported("success", 1, {}),
    ("ended_by_hand", "never_began"): Reported("success", 0, {}),
    ("set_by_hand", "waits_for_retry"): Reported("skipped", 1, {}),
}
OTHERWISE = {"2.10": ON_2, "2.11": ON_2, "3.1": ON_3_1}
"""What other versions do otherwise, and what they call no hook for; see docs/airflow-reference.md."""

UNTOLD_ON_2 = {"waits_for_retry", "waits_for_poke", "deferred"}
"""Tasks that the scheduler of Airflow 2 may not report when their run has timed out; see docs/airflow-reference.md."""

CASES = [(dag_id, task_id) for dag_id, tasks in TABLE.items() for task_id in tasks]


def _skip_without(acted: Played, dag_id: str) -> None:
    """Skip the test where Airflow does not have the DAG."""
    if dag_id in NOT_ON_2 and not isinstance(acted.airflow, Airflow3):
        pytest.skip(f"Airflow 2 has no DAG {dag_id}")


def _expected(acted: Played, dag_id: str) -> dict[str, Reported]:
    """Return what becomes of the tasks of a DAG; skip the test where there is none."""
    _skip_without(acted, dag_id)
    differs = OTHERWISE.get(acted.version, {})
    return {task_id: differs.get((dag_id, task_id), row) for task_id, row in TABLE[dag_id].items()}


@pytest.mark.parametrize("dag_id", TABLE)
def test_the_states_are_airflows(acted: Played, dag_id: str) -> None:
    """Airflow ended each task as in the table: what follows is about the right outcomes."""
    found: dict[str, list[str]] = {}
    for task_id, _, state, _ in acted.airflow.tasks(dag_id):
        found.setdefault(task_id, []).append(str(state))
    states = {task_id: " ".join(sorted(found)) for task_id, found in found.items()}
    assert states == {task_id: row.state for task_id, row in _expected(acted, dag_id).items()}


@pytest.mark.parametrize(("dag_id", "task_id"), CASES)
def test_each_outcome(acted: Played, dag_id: str, task_id: str) -> None:
    """A task has started once, has completed once as it ended, and has the retries that it had."""
    row = _expected(acted, dag_id)[task_id]
    if dag_id == "timed_out" and task_id in UNTOLD_ON_2 and not isinstance(acted.airflow, Airflow3):
        pytest.skip(f"Airflow 2 may not report {task_id}")
    assert_reported(acted.witness, dag_id, task_id, row)


RUNS = {
    "shapes": ("failure", "task_failure"),
    "all_skipped": ("success", ""),
    "deadlocked": ("failure", "all_tasks_deadlocked"),
    "timed_out": ("timeout", ""),
    "ended_by_hand": ("failure", "unknown"),
    "set_by_hand": ("failure", "task_failure"),
}


@pytest.mark.parametrize("dag_id", RUNS)
def test_how_a_run_ends(acted: Played, dag_id: str) -> None:
    """A run has ended once, for the reason that Airflow gave first."""
    _skip_without(acted, dag_id)
    status, error_type = RUNS[dag_id]
    labels = {"status": status} | ({"error_type": error_type} if error_type else {})
    acted.witness.wait_added("batch.job.completions", dag_id, 1, **labels)
    acted.witness.wait_added("batch.job.completions", dag_id, 1)


def test_kinds_of_runs(acted: Played) -> None:
    """Spans and events have what started a run; what a backfill makes up for was due long ago, and is not measured."""
    rows = acted.airflow.rows("SELECT run_type FROM dag_run WHERE dag_id = 'many_times'")
    kinds, witness = Counter(run_type for (run_type,) in rows), acted.witness
    assert kinds["backfill"] == 1
    assert kinds["manual"] == 2
    for name in ("batch.run.started", "batch.run.finished", "batch.step.finished"):

        def seen(event: str = name) -> Counter[str]:
            return Counter(fields["airflow.dag_run.run_type"] for fields in witness.events("many_times", event))

        def look(counted: Callable[[], Counter[str]] = seen) -> bool | None:
            return True if counted() == kinds else None

        # The last run may have ended a moment ago, and a store shows a record a second or two later.
        until(f"{name} of {kinds}", look, 60)
    traces = {fields["trace_id"] for fields in witness.events("many_times", "batch.run.finished")}
    for name in ("batch_job.many_times", "batch_step.count"):

        def spans_seen(name: str = name) -> Counter[object]:
            spans = [span for trace_id in traces for span in witness.trace(trace_id) if span.name == name]
            return Counter(span.attributes["airflow.dag_run.run_type"] for span in spans)

        def look_at_spans(counted: Callable[[], Counter[object]] = spans_seen) -> bool | None:
            return True if counted() == kinds else None

        until(f"spans {name} of {kinds}", look_at_spans, 60)
    witness.wait_added("batch.job.total", "many_times", kinds["scheduled"] + kinds["manual"])


def test_a_run_that_is_cleared(acted: Played) -> None:
    """Each time that it ran has a span of its own, below that of the first, and each try has one below that, too."""
    found = {fields["trace_id"] for fields in acted.witness.events("cleared", "batch.run.finished")}
    (trace_id,) = found
    spans = acted.witness.trace(trace_id)
    root, *again = (span for span in spans if span.name == "batch_job.cleared")
    assert root.parent_id == ""
    assert [span.parent_id for span in again] == [root.span_id] * 2
    assert {span.parent_id for span in spans if span.name.startswith("batch_step.")} == {root.span_id}
    assert len({span.span_id for span in spans}) == len(spans)
