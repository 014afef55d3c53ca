"""The task that this code runs in, by the variables that Airflow gives to every task: AIRFLOW_CTX_*.

They are in the process of a task, and in what it starts there, also where batchtel has no listener. So plain calls find
their task: what they count is counted for it. Its start and its end are reported by another process.
"""

from __future__ import annotations

import os
from typing import Final, NamedTuple

from batchtel.base.guard import harmless
from batchtel.base.outcome import Outcome
from batchtel.base.process_exit import at_end
from batchtel.base.run_environment import AirflowTask, airflow_task
from batchtel.runs import owner
from batchtel.runs.airflow_process import at_logging_shutdown
from batchtel.runs.attempt import Attempt
from batchtel.runs.joined_run import joined
from batchtel.runs.reporting import PART
from batchtel.runs.scope import Scope
from batchtel.runs.step import Step
from batchtel.schema import settings
from batchtel.telemetry.process import flush, telemetry

_RUN: Final = PART._replace(end="part_if_any")
_TASK: Final = _RUN._replace(flush="none")


class _Found(NamedTuple):
    """A task that was found in the environment of the process of that id, as a step of its DAG run."""

    task: AirflowTask
    step: Scope
    process: int


_found: _Found | None = None


@harmless(None)
def task() -> Scope | None:
    """Return the task that this process runs in, the same for as long as the environment names it.

    It counts records, and reports them when it ends.
    """
    global _found
    here, process = airflow_task(), os.getpid()
    if here is None or telemetry() is None:
        return None
    if _found is not None and _found.process == process:
        if _found.task == here:
            return _found.step
        _close(process)  # `dag.test()` runs one task after the other.
    else:
        at_end(_close, process)
        at_logging_shutdown(_flush_at_shutdown)
    run = joined(here.dag_id, run_id=here.run_id, attempt=1, reporting=_RUN)
    owner.set_ownership(run.recorder, owner=here.owner, team=here.team)
    around = Scope(run)
    # Of how many attempts it is the last is unknown here, and not asked for.
    step = Scope(Step(here.task_id, run, Attempt(here.try_number, here.try_number), _TASK), around)
    around.begin_apart()
    step.begin_apart()
    _found = _Found(here, step, process)
    return step


def _close(process: int) -> bool:
    """Close what was found in `process`, if it is this one; False if there is nothing to close."""
    global _found
    if _found is None or _found.process != process or process != os.getpid():
        return False
    closing, _found = _found.step, None
    closing.close(Outcome("success"))
    closing.run.close(Outcome("success"))
    return True


def _flush_at_shutdown() -> None:
    if _close(os.getpid()):
        flush(settings.read().deadline)
