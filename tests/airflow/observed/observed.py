"""DAGs that report by callbacks, where no plugin does, and one that does not report."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import batchtel
from batchtel.airflow import observe
from tests.airflow.authoring import (
    AirflowSkipException,
    DeferringOperator,
    EmptyOperator,
    dag,
    get_current_context,
    task,
)

SOON = timedelta(seconds=1)


def noted(what: str, context: Any) -> None:
    """Write down that a callback of the DAG's own was called, for the test."""
    task_id = context["ti"].task_id if "ti" in context else "-"
    with Path(os.environ["AIRFLOW_HOME"], "noted").open("a") as file:
        file.write(f"{what} {context['dag'].dag_id} {task_id}\n")


def on_execute(context: Any) -> None:
    """Note the start of a task, and count for it."""
    noted("execute", context)
    batchtel.current_step().records(failed=1)


def on_success(context: Any) -> None:
    """Note the success of a task, and count for it."""
    noted("success", context)
    batchtel.current_step().records(failed=1)


def on_failure(context: Any) -> None:
    """Note a failure."""
    noted("failure", context)


def on_retry(context: Any) -> None:
    """Note a retry."""
    noted("retry", context)


def on_skipped(context: Any) -> None:
    """Note a skip."""
    noted("skipped", context)


def on_run(context: Any) -> None:
    """Note the end of a DAG run."""
    noted("run", context)


@observe
@dag(
    schedule="@once",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    tags=["batchtel"],
    default_args={"retries": 0, "on_failure_callback": [on_failure], "on_retry_callback": on_retry},
    on_failure_callback=[on_run],
)
def observed() -> None:
    """A task for each end that a callback can report."""

    @task(on_execute_callback=on_execute, on_success_callback=[on_success])
    def succeeds() -> None:
        batchtel.current_step().records(read=1)

    @task(retries=2, retry_delay=SOON)
    def retried() -> None:
        if get_current_context()["ti"].try_number == 1:
            raise ConnectionError("not yet")

    @task
    def fails() -> None:
        raise KeyError("never")

    @task(on_skipped_callback=on_skipped)
    def skips_itself() -> None:
        raise AirflowSkipException("nothing to do")

    @task
    def mapped(number: int) -> None:
        if number:
            raise ValueError(str(number))

    @task
    def killed() -> None:
        batchtel.flush(60)  # nothing was imported ahead, and the machine may be busy
        os.kill(os.getpid(), signal.SIGKILL)

    succeeds()
    retried()
    fails()
    skips_itself()
    mapped.expand(number=[0, 1, 2])
    killed()
    DeferringOperator(task_id="defers")
    EmptyOperator(task_id="empty")


@dag(schedule="@once", start_date=datetime(2026, 1, 1, tzinfo=UTC), tags=["batchtel"], on_success_callback=on_run)
def observed_good() -> None:
    """A run that succeeds."""

    @task
    def work() -> None:
        """Do nothing."""

    work()


@dag(schedule="@once", start_date=datetime(2026, 1, 1, tzinfo=UTC), tags=["batchtel"])
def unobserved() -> None:
    """A DAG that is not reported."""

    @task
    def plain() -> None:
        batchtel.current_step().records(read=5)
        with batchtel.job("unobserved_own"):
            pass

    plain()


observed()
observe(observed_good())
unobserved()
