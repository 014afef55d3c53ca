"""What Airflow loads by the entry point `airflow.plugins`: the listener, or nothing where batchtel is off."""

from __future__ import annotations

from typing import Any, ClassVar, Final

try:
    # Airflow 3.2 and later: task processes do without the scheduler's half of Airflow.
    from airflow.sdk.plugins_manager import AirflowPlugin
except ImportError:
    from airflow.plugins_manager import AirflowPlugin

from batchtel.base.guard import harmless, warn_once
from batchtel.runs.airflow_process import is_scheduler
from batchtel.schema import settings

NO_ENDPOINT: Final = (
    "the plugin batchtel is installed, but nothing is recorded: set OTEL_EXPORTER_OTLP_ENDPOINT for all processes of "
    "Airflow, for example to http://127.0.0.1:4318; BATCHTEL_AIRFLOW_DISABLED=true switches batchtel off without this"
)


@harmless([])
def listeners() -> list[Any]:
    """Return the listener in a list; an empty list where telemetry has no endpoint or is off.

    Any listener at all, also one that does nothing, makes Airflow refuse tasks with `end_from_trigger=True`.
    """
    own = settings.read()
    if own.airflow_disabled or own.disabled:
        return []
    if not own.has_endpoint:
        if is_scheduler():
            warn_once("airflow:endpoint", NO_ENDPOINT)
        return []
    from batchtel.airflow.listener import Listener

    return [Listener()]


def variable(name: str, ti: Any) -> str:
    """Return a variable of `batchtel.airflow.child_environment` for the task instance `ti`; a macro of templates."""
    from batchtel.airflow import children

    return children.variable(name, ti)


class BatchtelPlugin(AirflowPlugin):  # type: ignore[misc]  # Airflow is not there when types are checked
    """The plugin `batchtel`, as `airflow plugins` lists it."""

    name = "batchtel"
    listeners: ClassVar[list[Any]] = listeners()
    # Also where batchtel is off: a template that asks for it would fail its task otherwise.
    macros: ClassVar[list[Any]] = [variable]
