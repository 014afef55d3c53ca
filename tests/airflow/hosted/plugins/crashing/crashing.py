"""A listener as many are written: it asks a DAG run that has failed for its tasks."""

from __future__ import annotations

import contextlib
from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin
from pluggy import HookimplMarker

hookimpl = HookimplMarker("airflow")


class Asking:
    """Closes the session of the scheduler's loop by the way, whatever it catches."""

    @hookimpl
    def on_dag_run_failed(self, dag_run: Any, msg: str) -> None:
        """Ask by a method that opens a session of its own, which is the scheduler's: both belong to one thread."""
        with contextlib.suppress(Exception):
            dag_run.get_task_instances()


class Crashing(AirflowPlugin):
    """The plugin."""

    name = "crashing"
    listeners: ClassVar[list[Any]] = [Asking()]
