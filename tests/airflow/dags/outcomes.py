"""A task for each way that a try can end, side by side in one run."""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import UTC, datetime, timedelta

import batchtel
from tests.airflow.authoring import (
    AirflowSkipException,
    BashOperator,
    DeferringOperator,
    EmptyOperator,
    StartingInTriggerer,
    dag,
    get_current_context,
    task,
)

SOON = timedelta(seconds=1)


@dag(schedule="@once", start_date=datetime(2026, 1, 1, tzinfo=UTC), tags=["batchtel"], default_args={"retries": 0})
def outcomes() -> None:
    """A task for each way that a try can end."""

    @task(retries=2, retry_delay=SOON)
    def retried() -> None:
        if get_current_context()["ti"].try_number == 1:
            raise ConnectionError("not yet")

    @task(retries=1, retry_delay=SOON)
    def used_up() -> None:
        raise KeyError("never")

    @task
    def skips_itself() -> None:
        raise AirflowSkipException("nothing to do")

    @task(execution_timeout=SOON)
    def too_long() -> None:
        time.sleep(60)

    @task
    def exits() -> None:
        sys.exit(3)

    @task
    def killed() -> None:
        batchtel.flush()  # the start: on its way at once, but this task does not live so long
        os.kill(os.getpid(), signal.SIGKILL)

    # Airflow 2 may find it dead twice, and would fail the next try for the first if that had begun.
    @task(retries=1, retry_delay=timedelta(seconds=30))
    def killed_once() -> None:
        if get_current_context()["ti"].try_number == 1:
            batchtel.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    @task
    def leaves() -> None:
        batchtel.flush()
        os._exit(0)

    @task(retries=1, retry_delay=timedelta(seconds=15))
    def leaves_twice() -> None:
        batchtel.flush()
        os._exit(0)

    @task.sensor(poke_interval=15, timeout=120, mode="reschedule")
    def pokes() -> bool:
        started: datetime = get_current_context()["dag_run"].start_date
        return datetime.now(UTC) - started > timedelta(seconds=25)

    @task.branch
    def branch() -> str:
        return "chosen"

    branch() >> [EmptyOperator(task_id="chosen"), EmptyOperator(task_id="not_chosen")]
    used_up() >> EmptyOperator(task_id="after_failure")
    retried()
    skips_itself()
    too_long()
    exits()
    killed()
    killed_once()
    leaves()
    leaves_twice()
    pokes()
    DeferringOperator(task_id="defers")
    StartingInTriggerer(task_id="starts_deferred")
    BashOperator(task_id="bash", bash_command='test "$BATCHTEL_JOB" = outcomes && echo "$TRACEPARENT"')


outcomes()
