"""One try of a task in its own process, opened and closed by Airflow's hooks."""

from __future__ import annotations

import os
import sys
import time
from typing import Any, Final

from batchtel.airflow import exits, outcomes, task_data, task_log
from batchtel.airflow.facts import Task, is_row
from batchtel.airflow.task_step import TaskStep
from batchtel.airflow.watch import Watch
from batchtel.base import run_environment
from batchtel.base.guard import harmless, warned_elsewhere
from batchtel.base.opener import Opener
from batchtel.base.outcome import Outcome
from batchtel.runs import current
from batchtel.runs.reporting import WHOLE
from batchtel.schema import settings
from batchtel.telemetry.ending_signals import ENDINGS
from batchtel.telemetry.process import telemetry

BETWEEN_POKES: Final = 0.5
"""Seconds that the end of a poke may last: Airflow fails a sensor whose next poke is due before this one has ended."""


class TaskAttempt:
    """One try of a task, from `open` to `settle` or `suspend`; `instance` is Airflow's object.

    `watched` is whether another process reports it if its own is killed.
    """

    def __init__(self, task: Task, instance: Any, *, watched: bool = True) -> None:
        self.instance = instance
        self._task = task
        self._reported = TaskStep(task, WHOLE._replace(start=not task.goes_on_again))
        self._step, self._part = self._reported.step, self._reported.part
        self._watched = watched
        self._watch: Watch | None = None
        self._supervisor = 0
        self._marked: run_environment.EnvironmentPatch | None = None

    def open(self) -> None:
        """Open it, and mark it for what the task starts."""
        # The process belongs to Airflow, which has a handler of its own for SIGTERM: ours would end the task.
        ENDINGS.leave_alone()
        # The scheduler's helper gives it: the log of a task is as long with batchtel as without.
        warned_elsewhere("environment")
        process = telemetry()
        if process is not None:
            process.outboxes.embed_in_host()
        self._reported.begin(time.time_ns())
        if (process := self._step.recorder.telemetry) is not None:
            # At once: a task may be killed in its first moments, and has started then.
            process.send_soon(0.0)
            task_log.capture()
            # Airflow 2 calls a hook for every task that it finds dead.
            watched = self._watched and not is_row(self.instance)
            self._supervisor = supervisor() if watched else 0
            self._watch = Watch.over(self._task, self._supervisor) if watched else None
            self._mark()

    def _mark(self) -> None:
        run, trace = self._part.job, self._step.recorder.traceparent
        if run.sla.asks_for_data:
            run.data.share()
        opener = Opener.here(run.name, 1, trace)
        mark = run_environment.OpenRun(run.name, run.run_id, 1, run.labels["job_type"], opener, run.data.place)
        self._marked = run_environment.EnvironmentPatch(run_environment.variables(mark, {"traceparent": trace}))

    def settle(self, outcome: Outcome) -> None:
        """Close it with its end, and send everything: the process may be gone a moment later."""
        if self._supervisor and os.getppid() != self._supervisor:
            # No supervisor reports the end: Airflow misses the heartbeats, fails the task, and calls the hook for that.
            self.suspend()
            return
        # What the task has left open, in a thread or by a generator, ends with it.
        for scope in reversed(current.open_scopes()):
            if scope not in (self._step, self._part):
                scope.close(Outcome("cancelled", reason="the task ended"))
        if self._watch is not None and outcome.status == "failure" and self._watch.asked_to_end():
            outcome = outcomes.TERMINATED._replace(goes_on=outcome.goes_on)
        self._step.close(outcome)
        self._leave_process()
        # All the time there is, also where another process has just waited in vain, for it may have been short of CPU.
        send_all(settings.read().deadline)

    def suspend(self) -> None:
        """Leave it open for the process that goes on with it: a deferred task, or a sensor between two pokes."""
        self._leave_open()
        self._leave_process()
        send_all(BETWEEN_POKES)

    @harmless(None)
    def _leave_open(self) -> None:
        self._step.beat()
        self._step.leave_open()

    def _leave_process(self) -> None:
        if self._marked is not None:
            self._marked.restore()
        if self._watch is not None:
            self._watch.end()
        run = self._part.job
        if run.sla.asks_for_data:
            task_data.keep(self._task, run.data.total())
        self._part.close(Outcome("success"))


@harmless(0)
def supervisor() -> int:
    """Return the process that runs this one for Airflow 3; 0 where there is none, as in `dag.test()`."""
    runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    comms = type(getattr(runner, "SUPERVISOR_COMMS", None)).__name__
    return os.getppid() if comms == "CommsDecoder" and exits.is_alive(os.getppid()) else 0


@harmless(None)
def send_all(seconds: float) -> None:
    """Wait for the collector `seconds` at most, the exit of the process included."""
    process = telemetry()
    if process is not None:
        process.outboxes.leave(seconds)


OPEN: Final[dict[tuple[str, str, str, int, int], TaskAttempt]] = {}
"""The attempts that are open in this process, by their key: one in a task process, none elsewhere."""
