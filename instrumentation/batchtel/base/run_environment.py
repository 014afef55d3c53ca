"""The variables by which a run is found in the processes that it starts: written, read and restored.

A run is counted once, by the outermost batchtel that records it. That one marks it open: a `job()` of the same name
further in joins the run, and an auto-instrumented child is not a run of its own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from typing import Final, NamedTuple

from batchtel.base.opener import Opener
from batchtel.base.start_environment import AT_START, OPEN_RUN, TRACE_VARIABLES

OPEN_TYPE: Final = "BATCHTEL_OPEN_TYPE"
"""Holds the type of the job whose run is open, so that all its processes count under one."""


OPEN_TALLY: Final = "BATCHTEL_OPEN_TALLY"
"""Holds the place of the tally to which all processes of the run add the records they report, if there is one."""


OPEN_BY: Final = "BATCHTEL_OPEN_BY"
"""Holds which process has opened the run, and when: a run that has ended has no members. A mark without it is none."""


STARTED_IN: Final = "batchtel"
"""Where workers that are not forked find the mark of the run that has started them, as text by variable."""

_OWNER: Final = "AIRFLOW_CTX_DAG_OWNER"
_TEAM: Final = "AIRFLOW_CTX_TEAM_NAME"

AIRFLOW_TASK: Final = ("AIRFLOW_CTX_DAG_ID", "AIRFLOW_CTX_DAG_RUN_ID", "AIRFLOW_CTX_TASK_ID", "AIRFLOW_CTX_TRY_NUMBER")
"""What Airflow puts into the environment of each task, batchtel or not; none of them has the map index."""


class AirflowTask(NamedTuple):
    """A task of Airflow as its environment names it; owner and team are empty where it has none."""

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
    """A run that is open; `opener` is the process that has opened it and will close it."""

    job: str
    run_id: str
    attempt: int
    type: str
    opener: Opener
    tally: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it still is."""
        return self.opener.is_open(self.tally)


def open_run(environ: Mapping[str, str] = os.environ) -> OpenRun | None:
    """Return the run that `environ` marks open, if any; whether it still is, is another question.

    Who gives BATCHTEL_JOB or BATCHTEL_RUN_ID another value than the mark asks for a run of its own.
    """
    run = _marked(environ)
    if run is None or environ.get("BATCHTEL_RUN_ID", run.run_id) != run.run_id:
        return None
    return run if (environ.get("BATCHTEL_JOB") or run.job) == run.job else None


def _marked(environ: Mapping[str, str]) -> OpenRun | None:
    run_id, opener = environ.get(OPEN_RUN, ""), Opener.read(environ.get(OPEN_BY, ""))
    if not run_id or opener is None:
        return None
    type_, tally = environ.get(OPEN_TYPE, ""), environ.get(OPEN_TALLY, "")
    return OpenRun(opener.job, run_id, opener.attempt, type_, opener, tally)


def without_open_run(environ: Mapping[str, str] = os.environ) -> Mapping[str, str]:
    """Return the environment as it would be without a mark, for a run that is not the marked one.

    What has been given another value since stays: it is meant for this run.
    """
    run = _marked(environ)
    if run is None:
        return environ
    marks = {"BATCHTEL_JOB": run.job, "BATCHTEL_RUN_ID": run.run_id}
    if environ.get("BATCHTEL_RUN_ID") == run.run_id:
        marks["BATCHTEL_ATTEMPT"] = str(run.attempt)
    return {name: value for name, value in environ.items() if name not in _OPEN and marks.get(name) != value}


def trace_carrier(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the trace context that the parent process handed over, as a carrier for OpenTelemetry's propagators."""
    return {key.lower(): environ[key] for key in TRACE_VARIABLES if environ.get(key)}


def variables(run: OpenRun, trace: Mapping[str, str]) -> dict[str, str]:
    """Return what a child of the run is to find in its environment; `trace` is a propagator's carrier."""
    own = {"BATCHTEL_JOB": run.job, "BATCHTEL_RUN_ID": run.run_id, "BATCHTEL_ATTEMPT": str(run.attempt)}
    own |= {OPEN_RUN: run.run_id, OPEN_TYPE: run.type, OPEN_TALLY: run.tally, OPEN_BY: str(run.opener)}
    return own | {key.upper(): value for key, value in trace.items() if key.upper() in TRACE_VARIABLES}


_OPEN: Final = (OPEN_RUN, OPEN_TYPE, OPEN_TALLY, OPEN_BY)

_FOUND: Final = open_run(AT_START)
"""The mark that was there when this process started: one that appears later is this process's own."""

_FOUND_AROUND: Final = _marked(AT_START)
"""The same, also where this process is to have a run of its own."""

_FOUND_TRACE: Final = trace_carrier(AT_START)

_resumed = False


def inherited() -> OpenRun | None:
    """Return the run that this process was started in, as long as it is open; it belongs to another process."""
    return _FOUND if _FOUND is not None and not _FOUND.opener.is_this_process and _FOUND.is_open else None


def was_marked() -> bool:
    """Whether this process was started in a run, be it open or not."""
    return _FOUND is not None


def marks(run_id: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether `environ` marks the run of that id open."""
    return environ.get(OPEN_RUN) == run_id


def own() -> OpenRun | None:
    """Return the run that this process has opened itself, before it became another program by exec."""
    return _FOUND if _FOUND is not None and not _resumed and _FOUND.opener.is_this_process else None


def resumed() -> None:
    """Note that somebody goes on with the run that this process has opened itself."""
    global _resumed
    _resumed = True


def inherited_trace() -> Mapping[str, str]:
    """Return the trace context of the parent process; what appears later is, again, a mark of this process.

    Empty where it is that of a run which has ended: what is started weeks later is no part of its trace.
    """
    around = _FOUND_AROUND
    if around is None or _FOUND_TRACE.get("traceparent") != around.opener.traceparent:
        return _FOUND_TRACE
    return _FOUND_TRACE if around.opener.is_this_process or around.is_open else {}


class EnvironmentPatch:
    """Variables put into an environment; `restore` removes those again that have not been changed since."""

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
