"""A try of a task as a step of its DAG run, whichever process reports it."""

from __future__ import annotations

from typing import Any

from batchtel.airflow import ids
from batchtel.airflow.facts import Task
from batchtel.base.outcome import Outcome
from batchtel.base.start import Start
from batchtel.base.values import AttributeValue
from batchtel.runs import dag_run_ids, owner
from batchtel.runs.joined_run import JoinedRun
from batchtel.runs.retry import Attempt, Retry
from batchtel.runs.scope import Scope
from batchtel.runs.step_run import StepRun
from batchtel.telemetry.providers import Telemetry


class DagRunPart(JoinedRun):
    """A task's part in its DAG run, which the scheduler starts and ends."""

    def __init__(self, task: Task) -> None:
        # Attempts are those of the tasks: a DAG run has one.
        super().__init__(task.dag_id, run_id=task.run_id, attempt=1)
        owner.set_ownership(self, owner=task.owner, team=task.team, tag=task.tags)
        self._task = task
        self.step: Scope | None = None

    @property
    def thread_owner(self) -> Scope:
        """The attempt: code in a thread of the task belongs to the task."""
        return self if self.step is None or self.step.closed else self.step

    def _parent_context(self, process: Telemetry) -> Any:
        from opentelemetry import context, trace

        here, own = context.get_current(), self._task.traceparent
        around = trace.get_current_span(here)
        if around.is_recording() or (own and around.get_span_context().is_valid):
            return here  # Airflow's own span of the task, which it may have decided not to record.
        root = dag_run_ids.of_dag_run(self._task.dag_id, self._task.run_id, own)
        span = trace.NonRecordingSpan(
            trace.SpanContext(root.trace_id, root.span_id, is_remote=True, trace_flags=trace.TraceFlags(root.flags))
        )
        # Airflow sets a span of the same ids for every task, with the flags of "not sampled": it is not used.
        return trace.set_span_in_context(span)

    def _hand_over(self) -> None:
        """Do nothing: the attempt hands over, so that what a child does nests under its span."""

    def _run_ended(self) -> None:
        """Do nothing: the attempt flushes, for as long as its end may last."""

    def _finish(self, process: Telemetry, outcome: Outcome, duration: float) -> None:
        data = self.data
        if (
            any(value is not None for value in (data.processed, data.failed, data.score, data.newest))
            or self.described()
        ):
            super()._finish(process, outcome, duration)


class TaskStep(StepRun):
    """One try of a task; `part` is this process's part of its DAG run."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.part = DagRunPart(task)
        super().__init__(task.task_id, self.part, _attempt(task))
        self.part.step = self
        self.identity.update(_attributes(task))

    def start_at(self, time: int) -> Start:
        """Return its start at `time`, Unix nanoseconds, with the ids that every process computes for it."""
        own = ids.of_task(self.task)
        return Start(time, own.trace_id, own.span_id)

    def _start_span(self, process: Telemetry, parent: Any, start: Start | None) -> Any:
        if self.retry is not None and self.retry.number > 1:
            from opentelemetry.trace import SpanContext, TraceFlags

            before = ids.of_task(self.task._replace(try_number=self.task.try_number - 1))
            self.retry.before = SpanContext(before.trace_id, before.span_id, True, TraceFlags(before.flags))
        return super()._start_span(process, parent, start)


def _attempt(task: Task) -> Attempt:
    return Attempt(Retry(task.retries + 1, 0, 1, 0, ()), task.attempt)


def _attributes(task: Task) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {
        "batch.step.attempt": task.try_number,
        "airflow.task_instance.map_index": task.map_index,
    }
    texts = {
        "airflow.task.operator": task.operator,
        "airflow.task_instance.queue": task.queue,
        "airflow.task_instance.pool": task.pool,
        "airflow.dag_run.run_type": task.run_type,
        "airflow.dag_run.logical_date": task.logical_date,
    }
    return attributes | {name: value for name, value in texts.items() if value}
