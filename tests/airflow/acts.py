"""What is done to the DAGs that are played: states are set by hand, tasks cleared, runs backfilled and triggered."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from tests.airflow.airflow import Airflow
from tests.airflow.hands import Hands
from tests.airflow.lines import Airflow3
from tests.support.polling import until
from tests.support.witness import Witness

SECONDS: Final = 300.0

ENDED_BEFORE: Final = [("cleared", "failed"), ("cleared", "success")]
"""Ends of runs, by DAG and state, that another end of the same run has followed."""

REPORTED_BEFORE: Final = {"ended_by_hand": "failed"}
"""DAGs whose run has ended in this state, and was set to another one afterwards."""

DAYS: Final = {
    True: ("backfill", "create", "--reprocess-behavior", "failed", "--max-active-runs", "3", "--dag-id", "many_times"),
    False: ("dags", "backfill", "many_times"),
}
"""The command that makes up for a day of the past, on Airflow 3 and on Airflow 2."""

FIRST_AND_LAST: Final = {
    True: ("--from-date", "2026-02-01", "--to-date", "2026-02-01"),
    False: ("--start-date", "2026-02-01", "--end-date", "2026-02-01"),
}


def perform(airflow: Airflow, witness: Witness) -> None:
    """Do it all, and return when nothing is left to run and the stores have all reports."""
    on_3 = isinstance(airflow, Airflow3)
    if isinstance(airflow, Airflow3):
        hands = Hands(airflow)
        _set_tasks(hands)
        _end_run(hands)
    _clear(airflow)
    _wait_for_all(airflow)
    airflow.command(*DAYS[on_3], *FIRST_AND_LAST[on_3])
    _trigger(airflow)
    _wait_for_all(airflow)
    _wait_for_reports(airflow, witness)


UNFINISHED: Final = {"runs": "running", "deferred": "deferred", "waits_for_retry": "up_for_retry"}


def _set_tasks(hands: Hands) -> None:
    """Set tasks in every state, and clear one that runs."""
    hands.wait("set_by_hand", **UNFINISHED, fails="failed", cleared="running")
    hands.set_task("set_by_hand", "never_began", "success")
    hands.set_task("set_by_hand", "fails", "success")
    hands.clear("set_by_hand", "cleared")
    hands.set_task("set_by_hand", "runs", "success")
    hands.set_task("set_by_hand", "deferred", "failed")
    hands.set_task("set_by_hand", "waits_for_retry", "skipped")


def _end_run(hands: Hands) -> None:
    """End a run that goes on, and change one's mind."""
    hands.wait("ended_by_hand", **UNFINISHED, waits_for_poke="up_for_reschedule")
    hands.set_run("ended_by_hand", "failed")
    hands.set_run("ended_by_hand", "success")


def _clear(airflow: Airflow) -> None:
    """Clear the end of a run that has failed; when it has succeeded, its beginning."""
    airflow.wait("cleared")
    # Plain names: 3.3 accepts no anchors of a regular expression here; it clears nothing then, without an error.
    for times, options in enumerate((("second_time", "--downstream"), ("once",)), start=1):
        airflow.command("tasks", "clear", "cleared", "--yes", "--task-regex", *options)
        until(f"the end of cleared, cleared {times} times", partial(_has_succeeded, airflow, times), SECONDS)


def _has_succeeded(airflow: Airflow, times_cleared: int) -> bool | None:
    ended = "SELECT 1 FROM dag_run WHERE dag_id = 'cleared' AND state = 'success' AND clear_number = ?"
    return bool(airflow.rows(ended, times_cleared)) or None


def _trigger(airflow: Airflow) -> None:
    airflow.command("dags", "trigger", "many_times", "--conf", '{"asked_by": "hand"}')


def _wait_for_all(airflow: Airflow) -> None:
    unfinished = "SELECT dag_id, run_id, state FROM dag_run WHERE state NOT IN ('success', 'failed')"
    seen: list[Any] = []

    def look() -> bool | None:
        seen[:] = airflow.rows(unfinished)
        return not seen or None

    until("the end of every run", look, SECONDS, lambda: f"{seen}\n{airflow.log('scheduler')[-3000:]}")


def _wait_for_reports(airflow: Airflow, witness: Witness) -> None:
    """Run one more, and return when the stores have it: what happened before it is there by then."""
    _trigger(airflow)
    _wait_for_all(airflow)
    ((runs,),) = airflow.rows("SELECT count(*) FROM dag_run WHERE dag_id = 'many_times'")
    witness.wait_added("batch.job.completions", "many_times", runs, status="success")
