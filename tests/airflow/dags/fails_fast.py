"""A run that its first failure ends: Airflow 3 kills the other tasks, and calls no hook for them."""

from __future__ import annotations

import time

from tests.airflow.authoring import AIRFLOW_3, dag, get_current_context, task
from tests.airflow.unfinished import ONCE

if AIRFLOW_3:

    @dag(**ONCE, fail_fast=True)
    def fails_fast() -> None:
        """Ended by the first task that fails."""

        @task
        def goes_on() -> None:
            get_current_context()["ti"].xcom_push("began", True)
            time.sleep(600)

        @task.sensor(poke_interval=1, timeout=600, mode="poke")
        def fails_beside_it() -> bool:
            if get_current_context()["ti"].xcom_pull(task_ids="goes_on", key="began"):
                raise ValueError("the other shall end, too")
            return False

        goes_on()
        fails_beside_it()

    fails_fast()
