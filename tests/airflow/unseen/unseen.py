"""DAGs of Airflow 3 whose tasks end unseen, are judged while they run, or have long names."""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import dag, task, task_group

import batchtel

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


@dag(schedule=None, start_date=BEGINNING)
def unseen() -> None:
    """End without a hook: each task is counted once."""

    @task(retries=1, retry_delay=timedelta(seconds=1))
    def leaves_twice() -> None:
        time.sleep(1)  # its start is on its way
        os._exit(0)

    @task
    def leaves() -> None:
        time.sleep(1)  # its start is on its way
        os._exit(0)

    @task
    def becomes_true() -> None:
        time.sleep(1)
        os.execv("/bin/true", ["true"])

    @task
    def becomes_false() -> None:
        time.sleep(1)
        os.execv("/bin/sh", ["sh", "-c", "sleep 2; exit 3"])

    @task
    def killed() -> None:
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGKILL)

    @task
    def killed_with_supervisor() -> None:
        time.sleep(1)
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    @task
    def succeeds_unsupervised() -> None:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(1)

    @task
    def outlives_supervisor() -> None:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(50)

    leaves_twice()
    leaves()
    becomes_true()
    becomes_false()
    killed()
    killed_with_supervisor()
    succeeds_unsupervised()
    outlives_supervisor()


@dag(schedule=None, start_date=BEGINNING)
def violates() -> None:
    """Violate each rule but the deadline; the first one long before its end."""

    @task
    def sleeps() -> None:
        time.sleep(50)
        batchtel.current_job().records(processed=3, failed=1)

    @task
    def reads_old_data() -> None:
        batchtel.current_job().records(processed=2)
        batchtel.current_job().watermark(BEGINNING)

    counts = "import batchtel; batchtel.current_job().records(processed=4)"
    sleeps()
    reads_old_data()
    BashOperator(task_id="counts_in_a_child", bash_command=f"{sys.executable} -c '{counts}'")


@dag(schedule=None, start_date=BEGINNING)
def keeps() -> None:
    """Process what is asked for, in three tasks."""

    @task
    def counts(index: int) -> None:
        batchtel.current_job().records(processed=10)

    counts.expand(index=[1, 2, 3])


@dag(schedule=None, start_date=BEGINNING)
def reports_nothing() -> None:
    """Report no records at all."""

    @task
    def works() -> None:
        pass

    works()


@dag(schedule=None, start_date=BEGINNING)
def waits() -> None:
    """Wait for a pool with one slot."""

    @task(pool="narrow")
    def works(index: int) -> None:
        time.sleep(20)

    works.expand(index=[1, 2])


@dag(schedule=None, start_date=BEGINNING)
def long_names() -> None:
    """Two tasks whose ids differ after 120 characters."""

    @task_group(group_id="transform_" + "warehouse_" * 5)
    def outer() -> None:
        @task_group(group_id="model_" + "orders_enriched_" * 4)
        def inner() -> None:
            @task
            def run() -> None:
                pass

            @task
            def test() -> None:
                raise ValueError("quality")

            run()
            test()

        inner()

    outer()


unseen()
violates()
keeps()
reports_nothing()
waits()
long_names()
