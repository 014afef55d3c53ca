"""The task that this code runs in, by the variables that Airflow gives to every task: AIRFLOW_CTX_*.

They are in the process of a task, and in what it starts there, also where batchtel has no listener. So plain calls find
their task: what they count is counted for it. Its start and its end are reported by another process.
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


class TaskFromEnvironment(StepRun):
    """A task that code finds by its environment, without a hook: it counts records, and reports them when it ends."""

    def __init__(self, task: AirflowTask, job: JobRun) -> None:
        # Of how many attempts it is the last is unknown here, and not asked for.
        super().__init__(task.task_id, job, Attempt(Retry(task.try_number, 0, 1, 0, ()), task.try_number))
        self.task = task

    def begin_detached(self) -> None:
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
        """Do nothing: it was started elsewhere."""

    def beat(self) -> None:
        """Do nothing: the process that started it reports its heartbeat."""

    def _finish(self, process: Telemetry, outcome: Outcome, duration: float) -> None:
        if result := self._result():
            body = f"{self._title()} was reported on by one of its processes"
            attributes = {**self.identity, **process.redaction.attributes(result)}
            process.event("batch.step.reported", body, attributes, severity="INFO", context=self._context)


class RunFromEnvironment(JoinedRun):
    """The DAG run of such a task."""

    def begin_detached(self) -> None:
        """Begin without becoming the current run."""
        contextvars.copy_context().run(self.begin)
        current.closed(self)

    def _around(self) -> Scope | None:
        return None

    def _hand_over(self) -> None:
        """Do nothing: what there is to hand over was found in the environment."""

    def _finish(self, process: Telemetry, outcome: Outcome, duration: float) -> None:
        if self.described() or len(self.data.attributes()) > 1:
            super()._finish(process, outcome, duration)


_found: tuple[int, TaskFromEnvironment] | None = None


@harmless(None)
def task() -> TaskFromEnvironment | None:
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
        at_logging_shutdown(_flush_at_shutdown)
    run = RunFromEnvironment(here.dag_id, run_id=here.run_id, attempt=1)
    owner.set_ownership(run, owner=here.owner, team=here.team)
    step = TaskFromEnvironment(here, run)
    run.begin_detached()
    step.begin_detached()
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


def _flush_at_shutdown() -> None:
    if _close(os.getpid()):
        flush(settings.read().deadline)
