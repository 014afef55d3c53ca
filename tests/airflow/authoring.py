"""What the DAG files of the tests are written with, by one name on Airflow 2 and 3.

Elsewhere a DAG file imports from the places of the Airflow that it runs on.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

try:
    from airflow.sdk import BaseOperator, dag, get_current_context, setup, task, task_group, teardown

    AIRFLOW_3 = True
except ImportError:  # Airflow 2
    from airflow.decorators import dag, setup, task, task_group, teardown
    from airflow.models import BaseOperator
    from airflow.operators.python import get_current_context

    AIRFLOW_3 = False

try:
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
except ImportError:  # Airflow 2.10, whose provider has less
    from airflow.operators.empty import EmptyOperator
    from airflow.triggers.temporal import TimeDeltaTrigger

from airflow.exceptions import AirflowFailException, AirflowSkipException
from airflow.providers.standard.operators.bash import BashOperator
from airflow.triggers.base import StartTriggerArgs

__all__ = [
    "AIRFLOW_3",
    "AirflowFailException",
    "AirflowSkipException",
    "BashOperator",
    "DeferringOperator",
    "EmptyOperator",
    "StartingInTriggerer",
    "dag",
    "get_current_context",
    "setup",
    "task",
    "task_group",
    "teardown",
]


class DeferringOperator(BaseOperator):  # type: ignore[misc]  # Airflow is not there when types are checked
    """Defers for some seconds, and goes on in another process.

    The sensors that wait for a time do not serve: some end at once for a run that is due in the past, others are ended
    by the triggerer. Within a second a busy scheduler has not yet seen that the first process has ended, and when it
    does it mistakes that for the end of the second and fails the task.
    """

    def __init__(self, seconds: int = 10, **settings: Any) -> None:
        super().__init__(**settings)
        self.seconds = seconds

    def execute(self, context: Any) -> None:
        """Defer."""
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=self.seconds)), method_name="go_on")

    def go_on(self, context: Any, event: Any = None) -> str:
        """End, in the process that goes on."""
        return "gone on"


class StartingInTriggerer(DeferringOperator):
    """Is deferred before any process has begun it."""

    start_from_trigger = True
    start_trigger_args = StartTriggerArgs(
        trigger_cls=f"{TimeDeltaTrigger.__module__}.{TimeDeltaTrigger.__qualname__}",
        trigger_kwargs={"delta": timedelta(seconds=5)},
        next_method="go_on",
        next_kwargs=None,
        timeout=None,
    )
