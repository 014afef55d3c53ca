"""Trace and run for what an operator starts elsewhere: in a pod, on a cluster, or in an environment of its own.

What a task starts on its own machine inherits its environment. For all else the environment is configuration of the
operator, and that is written where the DAG is parsed, before there is a run: as templates, which Airflow renders in the
process of the task. They are rendered before the attempt is open, so its ids are computed.
"""

from __future__ import annotations

from typing import Any, Final

from batchtel.airflow import facts
from batchtel.base import run_environment
from batchtel.base.guard import harmless
from batchtel.base.opener import Opener
from batchtel.base.start_environment import OPEN_RUN
from batchtel.runs.run import Run
from batchtel.schema import settings

NAMES: Final = (
    *("TRACEPARENT", "BATCHTEL_JOB", "BATCHTEL_RUN_ID", "BATCHTEL_ATTEMPT"),
    *(OPEN_RUN, run_environment.OPEN_TYPE, run_environment.OPEN_BY),
    *run_environment.AIRFLOW_TASK,
)
"""Variables by which a program finds its task, its run and its trace."""


def child_environment() -> dict[str, str]:
    """Return variables for an operator's `env_vars`, `env` or `conf`: templates, by the names of the variables.

    Only for fields that the operator renders: look for the name in its `template_fields`. Airflow needs batchtel's
    plugin for it, which may be switched off.
    """
    return {name: f"{{{{ macros.batchtel.variable('{name}', ti) }}}}" for name in NAMES}


@harmless("")
def variable(name: str, instance: Any) -> str:
    """Return one of NAMES for the try of a task; empty for those that batchtel has no use for while it is off."""
    return variables(instance).get(name, "")


def variables(instance: Any) -> dict[str, str]:
    """Return what a child of the try of a task is to find in its environment; `instance` is Airflow's `ti`."""
    task = facts.task(instance)
    key = (task.dag_id, task.run_id, task.task_id, str(task.try_number))
    names = dict(zip(run_environment.AIRFLOW_TASK, key, strict=True))
    own = settings.read()
    if own.disabled or not own.has_endpoint:
        # No process counts the run that a child would find open.
        return names
    trace = _traceparent(task)
    opener = Opener.here(task.dag_id, 1, trace)
    run = run_environment.OpenRun(task.dag_id, task.run_id, 1, Run(task.dag_id).labels["job_type"], opener)
    return names | run_environment.variables(run, {"traceparent": trace})


def _traceparent(task: facts.Task) -> str:
    from opentelemetry import trace

    current = trace.get_current_span()
    span = current.get_span_context()
    if current.is_recording():
        # Airflow's own tracing is on: its trace is used.
        return f"00-{span.trace_id:032x}-{span.span_id:016x}-{int(span.trace_flags):02x}"
    own = task.span_ids
    return f"00-{own.trace_id:032x}-{own.span_id:016x}-{own.flags:02x}"
