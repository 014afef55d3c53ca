"""Tasks in the shapes that DAGs have: mapped, in groups, behind trigger rules, between a setup and its teardown."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime, timedelta

from tests.airflow.authoring import (
    AirflowFailException,
    AirflowSkipException,
    BashOperator,
    EmptyOperator,
    dag,
    get_current_context,
    setup,
    task,
    task_group,
    teardown,
)

SOON = timedelta(seconds=1)

ONCE = {"schedule": "@once", "start_date": datetime(2026, 1, 1, tzinfo=UTC), "tags": ["batchtel"]}


@dag(**ONCE, default_args={"retries": 0})
def shapes() -> None:
    """One task or more of each shape."""

    @task(retries=1, retry_delay=SOON)
    def some_fail(number: int) -> None:
        if number > get_current_context()["ti"].try_number - 1:
            raise ValueError(number)

    @task_group
    def each(letter: str) -> None:
        @task
        def read(letter: str) -> str:
            if letter == "b":
                raise AirflowSkipException
            return letter

        read(letter) >> EmptyOperator(task_id="mark")

    @task(retries=2, retry_delay=SOON)
    def gives_up() -> None:
        raise AirflowFailException("no other try would do better")

    @task(retries=1, retry_delay=SOON)
    def terminated() -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    # Queued again within seconds, a task is failed by the late success of its poke before, on a loaded machine:
    # https://github.com/apache/airflow/issues/71172
    @task.sensor(poke_interval=20, timeout=120, mode="reschedule")
    def pokes_twice() -> bool:
        started: datetime = get_current_context()["dag_run"].start_date
        return datetime.now(UTC) - started > timedelta(seconds=15)

    @setup
    @task
    def prepare() -> None: ...

    @teardown
    @task
    def tidy_up() -> None: ...

    @task
    def fails() -> None:
        raise RuntimeError("between setup and teardown")

    failed = some_fail.expand(number=[0, 1, 2])
    failed >> EmptyOperator(task_id="chain_1") >> EmptyOperator(task_id="chain_2")
    failed >> EmptyOperator(task_id="on_one_failed", trigger_rule="one_failed")
    failed >> EmptyOperator(task_id="on_all_done", trigger_rule="all_done")
    failed >> EmptyOperator(task_id="on_all_failed", trigger_rule="all_failed")
    each.expand(letter=["a", "b"])
    gives_up()
    terminated()
    pokes_twice()
    ready = prepare()
    ready >> fails() >> tidy_up().as_teardown(setups=ready)
    BashOperator(task_id="bad_template", bash_command="echo {{ no_such_macro() }}")


@dag(**ONCE)
def all_skipped() -> None:
    """Nothing to do: a run of which every task is skipped has succeeded."""

    @task
    def nothing_new() -> None:
        raise AirflowSkipException

    nothing_new() >> EmptyOperator(task_id="after")


@dag(**ONCE)
def deadlocked() -> None:
    """A task behind one that does not exist yet: no task can ever run."""
    not_yet = EmptyOperator(task_id="not_yet", start_date=datetime(2999, 1, 1, tzinfo=UTC))
    not_yet >> EmptyOperator(task_id="never")


shapes()
all_skipped()
deadlocked()
