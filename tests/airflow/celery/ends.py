"""A DAG of Airflow 3 whose tasks end in every way that differs by the process that supervises them."""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime, timedelta

from airflow.sdk import dag, get_current_context, task

SOON = timedelta(seconds=1)


def is_first_try() -> bool:
    """Return whether the task that runs here has not been tried before."""
    return bool(get_current_context()["ti"].try_number == 1)


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC))
def ends() -> None:
    """End by a hook, without one, and without a supervisor."""

    @task
    def succeeds() -> None:
        pass

    @task(retries=1, retry_delay=SOON)
    def fails_then_succeeds() -> None:
        if is_first_try():
            raise ValueError("no rows yet")

    @task
    def leaves() -> None:
        time.sleep(1)  # its start is on its way
        os._exit(0)

    @task(retries=1, retry_delay=SOON)
    def leaves_twice() -> None:
        time.sleep(1)  # its start is on its way
        os._exit(0)

    @task
    def killed() -> None:
        time.sleep(1)  # its start is on its way
        os.kill(os.getpid(), signal.SIGKILL)

    @task
    def killed_with_supervisor() -> None:
        time.sleep(1)  # its start is on its way
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    @task
    def outlives_supervisor() -> None:
        time.sleep(1)  # its start is on its way
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(10)

    @task(retries=1, retry_delay=SOON)
    def loses_supervisor_then_succeeds() -> None:
        if is_first_try():
            time.sleep(1)  # its start is on its way
            os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)

    succeeds()
    fails_then_succeeds()
    leaves()
    leaves_twice()
    killed()
    killed_with_supervisor()
    outlives_supervisor()
    loses_supervisor_then_succeeds()


ends()
