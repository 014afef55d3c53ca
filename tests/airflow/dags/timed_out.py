"""A run that Airflow ends by itself, with tasks in every state that they can be in then."""

from __future__ import annotations

from datetime import timedelta

from tests.airflow.authoring import dag
from tests.airflow.unfinished import ONCE, unfinished_sensor, unfinished_tasks


@dag(**ONCE, dagrun_timeout=timedelta(seconds=100))
def timed_out() -> None:
    """Ended by Airflow, after 100 seconds."""
    unfinished_tasks()
    unfinished_sensor()


timed_out()
