"""One try of a task in its own process, and the hooks of Airflow that open and close it."""

from __future__ import annotations

import os
import sys
import time
from typing import Any, Final

from batchtel.airflow import facts, outcomes, task_data, task_log
from batchtel.airflow.task_row import TaskRow, poked_before
from batchtel.airflow.task_step import TaskStep
from batchtel.airflow.watch import Watch, is_alive
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

    def __init__(self, task: facts.Task, instance: Any, *, watched: bool = True) -> None:
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
            watched = self._watched and not facts.is_row(self.instance)
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
    return os.getppid() if comms == "CommsDecoder" and is_alive(os.getppid()) else 0


@harmless(None)
def send_all(seconds: float) -> None:
    """Wait for the collector `seconds` at most, the exit of the process included."""
    process = telemetry()
    if process is not None:
        process.outboxes.leave(seconds)


OPEN: Final[dict[tuple[str, str, str, int, int], TaskAttempt]] = {}
"""The attempts that are open in this process, by their key: one in a task process, none elsewhere.

Hooks or callbacks have opened them, never both: callbacks do nothing where the listener is at work.
"""


def running(instance: Any, *, watched: bool = True) -> bool:
    """Open the attempt of a task that is about to run here; return whether it was not open yet."""
    task = facts.task(instance)
    if task.key in OPEN:
        return False
    if poked_before(task, instance):
        task = task._replace(goes_on_again=True)
    OPEN[task.key] = TaskAttempt(task, instance, watched=watched)
    OPEN[task.key].open()
    return True


def succeeded(instance: Any) -> None:
    """Close the attempt as success."""
    settle(facts.task(instance), Outcome("success"))


def failed(instance: Any, error: BaseException | str | None) -> None:
    """Close the attempt with the outcome of `error`; one that is open in no process was lost with its own.

    The scheduler calls this for a task whose executor or heartbeat shows that it is gone, in Airflow 2 its child that
    parses DAGs.
    """
    task = facts.task(instance)
    if task.key not in OPEN and isinstance(error, BaseException):
        running(instance)  # It failed on the way to the hook that opens it: its templates cannot be rendered.
    if task.key in OPEN:
        outcome = outcomes.of_failure(task, error)
        # Airflow rejected the report: what looks like another try was set by hand, cleared, or ended with its run.
        refused = getattr(instance, "_terminal_state_send_failed", False)
        settle(task, outcome._replace(goes_on=False) if refused else outcome)
        return
    # Both lines call every previous state running.
    before = facts.state_before(instance) or "running"
    if before not in outcomes.ATTEMPT_ENDED:
        from batchtel.airflow import scheduler_hooks

        begun = before == "running" or TaskRow(instance).waits_for_process
        scheduler_hooks.task_lost(task, str(error or ""), begun=begun)


def skipped(instance: Any) -> None:
    """Close the attempt as skipped, which is no error."""
    settle(facts.task(instance), Outcome("skipped"))


def stopping() -> None:
    """Leave what is still open to the process that goes on with it.

    A task that has skipped itself ends here before 3.1.8, which brought the hook for it; so does a task that Airflow 2
    ends because somebody has set its state.
    """
    while OPEN:
        attempt = OPEN.popitem()[1]
        state = facts.task(attempt.instance).state
        if _was_ended(attempt.instance, state):
            attempt.settle(outcomes.TERMINATED)
        elif state == "skipped":
            attempt.settle(Outcome("skipped"))
        else:
            attempt.suspend()


def _was_ended(instance: Any, state: str) -> bool:
    """Return whether Airflow 2 ends the process for a state that was set elsewhere: by hand, or at the end of the run.

    Only a task that has skipped itself has written down when it ended.
    """
    by_hand = state in outcomes.RUN_ENDED
    return facts.is_row(instance) and (by_hand or (state == "skipped" and not TaskRow(instance).has_ended))


def settle(task: facts.Task, outcome: Outcome) -> None:
    """Close the attempt of a task, if it is open here."""
    attempt = OPEN.pop(task.key, None)
    if attempt is not None:
        attempt.settle(outcome)
