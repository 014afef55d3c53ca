"""A batchtel with a defect in each of its hooks: what they call raises something that is not even an Exception."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from batchtel.airflow import preload, scheduler_hooks, task_attempt


class Defect(BaseException):
    """What `except Exception` lets through."""


def defect(*arguments: object, **named: object) -> None:
    """Stand in for what a hook calls."""
    raise Defect("planted")


for name in ("running", "succeeded", "failed", "skipped", "stopping"):
    assert hasattr(task_attempt, name)
    setattr(task_attempt, name, defect)
preload.preload = defect
scheduler_hooks.run_started = scheduler_hooks.run_ended = defect


class Defective(AirflowPlugin):
    """The plugin."""

    name = "defective"
