"""The task that this code runs in, by the variables that Airflow gives to every task: AIRFLOW_CTX_*.

They are in the process of a task, and in what it starts there, also where batchtel has no listener. So plain calls find
their task: what they count is counted for it. Its start and its end are for somebody else to tell.
"""

from __future__ import annotations

import contextvars
import os
from typing import Any

from batchtel.base.guard import harmless
from batchtel.base.outcome import Outcome
from batchtel.base.process_exit import at_end
from batchtel.base.run_environment import AirflowTask, airflow_task
from batchtel.base.start import Start
from batchtel.runs import current, owner
from batchtel.runs.airflow_process import at_logging_shutdown
from batchtel.runs.job_run import JobRun
from batchtel.runs.joined_run import JoinedRun
from batchtel.runs.retry import Attempt, Retry
from batchtel.runs.scope import Scope
from batchtel.runs.step_run import StepRun
from batchtel.schema import settings
from batchtel.telemetry.process import flush, telemetry
from batchtel.telemetry.providers import Telemetry


class TaskFromOutside(StepRun):
    """A task, for code in it that no hook has told of it: it counts records, and tells of them when it ends."""

    def __init__(self, task: AirflowTask, job: JobRun) -> None:
        # Of how many attempts it is the last is not known here, and not asked for.
        super().__init__(task.task_id, job, Attempt(Retry(task.try_number, 0, 1, 0, ()), task.try_number))
        self.task = task

    def stay_apart(self) -> None:
        """Begin without becoming the current step: a run that starts later is the outermost one of its process."""
        contextvars.copy_context().run(self.begin)
        current.closed(self)

    def _around(self) -> Scope | None:
        return None

    def _start_span(self, process: Telemetry, parent: Any, start: Start | None) -> Any:
        from opentelemetry import trace

        return trace.get_current_span(parent)

    def _zeros(self) -> dict[str, Any]:
        return {}

    def _announce(self, process: Telemetry, at: float) -> None:
        """Nothing: it was started elsewhere."""

    def beat(self) -> None:
        """Nothing: whoever has started it tells that it lives."""

    def _finish(self, process: Telemetry, outcome: Outcome, duration: float) -> None:
        if result := self._result():
            body = f"{self._title()} was reported on by one of its processes"
            told = {**self.identity, **process.redaction.attributes(result)}
            process.event("batch.step.reported", body, told, severity="INFO", context=self._context)


class RunFromOutside(JoinedRun):
    """The DAG run of such a task."""

    def stay_apart(self) -> None:
        """Begin without becoming the current run."""
        contextvars.copy_context().run(self.begin)
        current.closed(self)

    def _around(self) -> Scope | None:
        return None

    def _hand_over(self) -> None:
        """Nothing: what there is to hand over was found in the environment."""

    def _finish(self, process: Telemetry, outcome: Outcome, duration: float) -> None:
        if self.described() or len(self.data.attributes()) > 1:
            super()._finish(process, outcome, duration)


_found: tuple[int, TaskFromOutside] | None = None


@harmless(None)
def task() -> TaskFromOutside | None:
    """Return the task that this process runs in, the same for as long as the environment names it."""
    global _found
    here, process = airflow_task(), os.getpid()
    if here is None or telemetry() is None:
        return None
    if _found is not None and _found[0] == process:
        if _found[1].task == here:
            return _found[1]
        _close(process)  # `dag.test()` runs one task after the other.
    else:
        at_end(_close, process)
        at_logging_shutdown(_last_word)
    run = RunFromOutside(here.dag_id, run_id=here.run_id, attempt=1)
    owner.note(run, owner=here.owner, team=here.team)
    step = TaskFromOutside(here, run)
    run.stay_apart()
    step.stay_apart()
    _found = (process, step)
    return step


def _close(process: int) -> bool:
    """Close what was found in `process`, if it is this one; False if there is nothing to close."""
    global _found
    if _found is None or _found[0] != process or process != os.getpid():
        return False
    found, _found = _found[1], None
    found.close(Outcome("success"))
    found.job.close(Outcome("success"))
    return True


def _last_word() -> None:
    if _close(os.getpid()):
        flush(settings.read().deadline)
