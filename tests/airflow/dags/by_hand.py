"""Runs and tasks that somebody ends by hand, through the API of Airflow 3; Airflow 2 has none without a web server."""

from __future__ import annotations

import time

from tests.airflow.authoring import AIRFLOW_3, dag, get_current_context, task
from tests.airflow.unfinished import ONCE, unfinished_sensor, unfinished_tasks


@dag(**ONCE)
def ended_by_hand() -> None:
    """Ended as a whole."""
    unfinished_tasks()
    unfinished_sensor()


@dag(**ONCE)
def set_by_hand() -> None:
    """Ended task by task."""

    @task
    def fails() -> None:
        raise ValueError("set to success afterwards")

    @task(retries=1)
    def cleared() -> None:
        if get_current_context()["ti"].try_number == 1:
            time.sleep(600)

    unfinished_tasks()
    fails()
    cleared()


if AIRFLOW_3:
    ended_by_hand()
    set_by_hand()
