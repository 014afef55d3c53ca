"""One try of a task as a step of its DAG run, opened and closed by Airflow's hooks in the task's process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from batchtel import current, handover
from batchtel.airflow import ids
from batchtel.airflow.facts import Task
from batchtel.attempt import Attempt, Retry
from batchtel.guard import harmless, warned_elsewhere
from batchtel.joined import JoinedRun
from batchtel.outcome import Outcome
from batchtel.process import flush
from batchtel.scope import Start
from batchtel.step_run import StepRun
from batchtel.telemetry import Telemetry
from batchtel.termination import TERMINATION
from batchtel.values import AttributeValue


class DagRunPart(JoinedRun):
    """A task's part in its DAG run, which the scheduler starts and ends."""

    def __init__(self, task: Task) -> None:
        # Attempts are those of the tasks: a DAG run has one.
        super().__init__(task.dag_id, run_id=task.run_id, attempt=1)
        self._task = task

    def _parent_context(self, process: Telemetry) -> Any:
        from opentelemetry import context, trace

        here = context.get_current()
        if trace.get_current_span(here).is_recording():
            return here  # Airflow's own tracing is on: its trace is used.
        root = ids.of_dag_run(self._task.dag_id, self._task.run_id)
        sampled = trace.TraceFlags(trace.TraceFlags.SAMPLED)
        span = trace.NonRecordingSpan(
            trace.SpanContext(root.trace_id, root.span_id, is_remote=True, trace_flags=sampled)
        )
        # Airflow sets a span of the same ids for every task, with flags that say "not sampled": it is not used.
        return trace.set_span_in_context(span)

    def _hand_over(self) -> None:
        """Nothing: the attempt hands over, so that what a child does nests under its span."""

    def _finish(self, process: Telemetry, outcome: Outcome, duration: float) -> None:
        data = self.data
        if any(told is not None for told in (data.processed, data.failed, data.score, data.newest)) or self.described():
            super()._finish(process, outcome, duration)


class TaskAttempt(StepRun):
    """One try of a task, from `open` to `settle` or `suspend`."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._part = DagRunPart(task)
        self._marked: handover.Marked | None = None
        super().__init__(task.task_id, self._part, _attempt(task))
        self.identity.update(_attributes(task))

    def open(self) -> None:
        """Open it, and mark it for what the task starts."""
        # The process belongs to Airflow, which has a handler of its own for SIGTERM: ours would end the task.
        TERMINATION.leave_alone()
        # The scheduler's helper gives it: the log of a task is as long with batchtel as without.
        warned_elsewhere("environment")
        self._part.begin()
        own = ids.of_task(self.task)
        self.begin(Start(time.time_ns(), own.trace_id, own.span_id))
        if self.recorder is not None:
            run = handover.OpenRun(self._part.name, self._part.run_id, 1, self.labels["job_type"])
            self._marked = handover.Marked(handover.variables(run, {"traceparent": self.traceparent}))

    def settle(self, outcome: Outcome) -> None:
        """Close it with its end, and send everything: the process may be gone a moment later."""
        # What the task has left open, in a thread or by a generator, ends with it.
        for scope in reversed(current.open_scopes()):
            if scope not in (self, self._part):
                scope.close(Outcome("cancelled", reason="the task ended"))
        self._leave_process(lambda: self.close(outcome))

    def suspend(self) -> None:
        """Leave it open for the process that goes on with it: a deferred task, or a sensor between two pokes."""
        self._leave_process(self._forget)

    def _leave_process(self, leave: Callable[[], None]) -> None:
        if self._marked is not None:
            self._marked.restore()
        leave()
        self._part.close(Outcome("success"))
        flush()

    @harmless(None)
    def _forget(self) -> None:
        self.beat()
        self.closed = True
        self._leave()
        current.closed(self)

    def _start_span(self, process: Telemetry, parent: Any, start: Start | None) -> Any:
        if self.retry is not None and self.retry.number > 1:
            from opentelemetry.trace import SpanContext

            before = ids.of_task(self.task._replace(try_number=self.task.try_number - 1))
            self.retry.before = SpanContext(before.trace_id, before.span_id, is_remote=True)
        return super()._start_span(process, parent, start)

    def _announce(self, process: Telemetry, at: float) -> None:
        if not self.task.goes_on_again:
            super()._announce(process, at)
        process.send_soon()


def _attempt(task: Task) -> Attempt:
    return Attempt(Retry(task.retries + 1, 0, 1, 0, ()), task.attempt)


def _attributes(task: Task) -> dict[str, AttributeValue]:
    told: dict[str, AttributeValue] = {
        "batch.step.attempt": task.try_number,
        "airflow.task_instance.map_index": task.map_index,
    }
    texts = {
        "airflow.task.operator": task.operator,
        "airflow.task_instance.queue": task.queue,
        "airflow.task_instance.pool": task.pool,
        "airflow.dag_run.run_type": task.run_type,
    }
    return told | {name: value for name, value in texts.items() if value}


OPEN: Final[dict[tuple[str, str, str, int, int], TaskAttempt]] = {}
"""The attempts that are open in this process, by their key: one in a task process, none elsewhere."""
