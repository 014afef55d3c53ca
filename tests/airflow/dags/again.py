"""Runs that there are several of: cleared and run again, of the past, by hand with a configuration, side by side."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.airflow.authoring import EmptyOperator, dag, get_current_context, task

START = datetime(2026, 1, 1, tzinfo=UTC)


@dag(schedule="@once", start_date=START, tags=["batchtel"], default_args={"retries": 0})
def cleared() -> None:
    """Fails until it is cleared."""

    @task
    def once() -> None: ...

    @task
    def second_time() -> None:
        if get_current_context()["ti"].try_number == 1:
            raise ConnectionError("not before it is cleared")

    once() >> EmptyOperator(task_id="empty_once")
    second_time() >> EmptyOperator(task_id="behind")


@dag(schedule="@daily", start_date=START, catchup=False, max_active_runs=4, tags=["batchtel"])
def many_times() -> None:
    """Has several runs at once, each of which waits for the task of the one before."""

    @task(depends_on_past=True)
    def count() -> None: ...

    count()


cleared()
many_times()
