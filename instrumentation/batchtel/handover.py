"""What a run hands to the processes it starts, in their environment, and what a process finds there.

A run is counted once, by the outermost batchtel that knows it. That one marks it open: a `job()` of the same name
further in joins the run, and an auto-instrumented child is not a run of its own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, NamedTuple

TRACE_VARIABLES: Final = ("TRACEPARENT", "TRACESTATE", "BAGGAGE")
"""https://opentelemetry.io/docs/specs/otel/context/env-carriers/"""

OPEN_RUN: Final = "BATCHTEL_OPEN_RUN"
"""Holds the id of the run that is open. BATCHTEL_RUN_ID alone says only which id the next run is to have."""

OPEN_TYPE: Final = "BATCHTEL_OPEN_TYPE"
"""Holds the type of the job whose run is open, so that all its processes count under one."""


OPEN_TALLY: Final = "BATCHTEL_OPEN_TALLY"
"""Holds the place of the tally to which all processes of the run add what they tell of its data, if there is one."""


_OWNER: Final = "AIRFLOW_CTX_DAG_OWNER"
_TEAM: Final = "AIRFLOW_CTX_TEAM_NAME"

AIRFLOW_TASK: Final = ("AIRFLOW_CTX_DAG_ID", "AIRFLOW_CTX_DAG_RUN_ID", "AIRFLOW_CTX_TASK_ID", "AIRFLOW_CTX_TRY_NUMBER")
"""What Airflow puts into the environment of each task, batchtel or not; none of them tells the map index."""


class AirflowTask(NamedTuple):
    """A task of Airflow as its environment names it; owner and team are empty where it does not say."""

    dag_id: str
    run_id: str
    task_id: str
    try_number: int
    owner: str = ""
    team: str = ""


def airflow_task(environ: Mapping[str, str] = os.environ) -> AirflowTask | None:
    """Return the task of Airflow that this process is, or was started by, if any."""
    dag_id, run_id, task_id, number = (environ.get(name, "") for name in AIRFLOW_TASK)
    if not (dag_id and run_id and task_id):
        return None
    tried = int(number) if number.isdecimal() else 1
    return AirflowTask(dag_id, run_id, task_id, tried, environ.get(_OWNER, ""), environ.get(_TEAM, ""))


class OpenRun(NamedTuple):
    """A run that another process has opened and will close."""

    job: str
    run_id: str
    attempt: int
    type: str
    tally: str = ""


def open_run(environ: Mapping[str, str] = os.environ) -> OpenRun | None:
    """Return the run that the parent process has marked open, if any."""
    run_id = environ.get(OPEN_RUN, "")
    if not run_id or run_id != environ.get("BATCHTEL_RUN_ID"):
        return None
    attempt = environ.get("BATCHTEL_ATTEMPT", "")
    number = int(attempt) if attempt.isdecimal() else 1
    return OpenRun(
        environ.get("BATCHTEL_JOB", ""), run_id, number, environ.get(OPEN_TYPE, ""), environ.get(OPEN_TALLY, "")
    )


def unmarked(environ: Mapping[str, str] = os.environ) -> Mapping[str, str]:
    """Return the environment without the variables that tell of an open run, for a run that is not that one."""
    if open_run(environ) is None:
        return environ
    return {name: value for name, value in environ.items() if name not in _OF_A_RUN}


def trace_carrier(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the trace context that the parent process handed over, as a carrier for OpenTelemetry's propagators."""
    return {key.lower(): environ[key] for key in TRACE_VARIABLES if environ.get(key)}


def variables(run: OpenRun, trace: Mapping[str, str]) -> dict[str, str]:
    """Return what a child of the run is to find in its environment; `trace` is a propagator's carrier."""
    own = {"BATCHTEL_JOB": run.job, "BATCHTEL_RUN_ID": run.run_id, "BATCHTEL_ATTEMPT": str(run.attempt)}
    own |= {OPEN_RUN: run.run_id, OPEN_TYPE: run.type, OPEN_TALLY: run.tally}
    return own | {key.upper(): value for key, value in trace.items() if key.upper() in TRACE_VARIABLES}


_OF_A_RUN: Final = {"BATCHTEL_JOB", "BATCHTEL_RUN_ID", "BATCHTEL_ATTEMPT", OPEN_RUN, OPEN_TYPE, OPEN_TALLY}

INHERITED: Final = open_run()
"""The run that was open when this process started: a mark that appears later is this process's own."""

INHERITED_TRACE: Final = trace_carrier()
"""The trace context of the parent process; what appears later is, again, a mark of this process."""


def trace_around(span: Any) -> Mapping[str, str]:
    """Return the trace context for what starts here: the parent's, else that of the DAG run that this is a task of.

    Empty where the current `span` is its parent, or nothing is.
    """
    if INHERITED_TRACE or airflow_task() is None:
        return {} if span.get_span_context().is_valid else INHERITED_TRACE
    from batchtel.airflow import surroundings

    return surroundings.trace_carrier(span)


class Marked:
    """Variables put into an environment, which `restore` takes out again unless somebody has changed them since."""

    def __init__(self, values: Mapping[str, str], environ: MutableMapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._values = dict(values)
        self._before = {name: environ.get(name) for name in values}
        environ.update(values)

    def restore(self) -> None:
        """Put the environment back as it was."""
        for name, value in self._values.items():
            if self._environ.get(name) != value:
                continue
            before = self._before[name]
            if before is None:
                del self._environ[name]
            else:
                self._environ[name] = before
