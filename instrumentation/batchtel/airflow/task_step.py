"""A try of a task as a step of its DAG run, whichever process reports it."""

from __future__ import annotations

import time
from typing import Any, Final, Literal

from batchtel.airflow.facts import Task
from batchtel.base.outcome import Outcome
from batchtel.base.start import Start
from batchtel.base.values import AttributeValue
from batchtel.runs import current, owner
from batchtel.runs.attempt import Attempt
from batchtel.runs.joined_run import joined
from batchtel.runs.reporting import PART, WHOLE, Reporting
from batchtel.runs.scope import Scope
from batchtel.runs.step import Step

_PART: Final = PART._replace(end="part_if_any", flush="none")
"""The attempt flushes, for as long as its end may last, and it marks itself for what it starts."""


FLUSH_TIMEOUT: Final = 10.0
"""Seconds that a process which reports others may wait for the collector at its end: no process waits for it."""


class TaskStep:
    """One try of a task, of which this process reports what `reporting` names.

    `step` is its scope, `part` that of this process's part in its DAG run, which the scheduler starts and ends.
    """

    def __init__(self, task: Task, reporting: Reporting = WHOLE) -> None:
        self.task = task
        # Attempts are those of the tasks: a DAG run has one.
        run = joined(task.dag_id, run_id=task.run_id, attempt=1, reporting=_PART)
        owner.set_ownership(run.recorder, owner=task.owner, team=task.team, tag=task.tags)
        self.part = Scope(run)
        step = Step(task.task_id, run, Attempt(task.attempt, task.retries + 1), reporting)
        step.recorder.identity.update(_attributes(task))
        self.step = Scope(step, self.part)
        # Code in a thread of the task belongs to the task.
        self.part.in_threads = self.step

    def begin(self, at: int) -> None:
        """Begin both, as of the Unix time `at` in nanoseconds, with the ids that every process computes for it."""
        task, own = self.task, self.task.span_ids
        several = self.step.recorder.of_several
        if several is not None and several.number > 1:
            from opentelemetry.trace import SpanContext, TraceFlags

            before = task._replace(try_number=task.try_number - 1).span_ids
            several.before = SpanContext(before.trace_id, before.span_id, True, TraceFlags(before.flags))
        self.part.begin(outer=current.outer(), parent=self._parent)
        self.step.begin(Start(at, own.trace_id, own.span_id, own.flags), outer=self.part)

    def _parent(self) -> Any:
        from opentelemetry import context, trace

        here, own = context.get_current(), self.task.traceparent
        around = trace.get_current_span(here)
        if around.is_recording() or (own and around.get_span_context().is_valid):
            return here  # Airflow's own span of the task, which it may have decided not to record.
        root = self.task.run_span_ids
        span = trace.NonRecordingSpan(
            trace.SpanContext(root.trace_id, root.span_id, is_remote=True, trace_flags=trace.TraceFlags(root.flags))
        )
        # Airflow sets a span of the same ids for every task, with the flags of "not sampled": it is not used.
        return trace.set_span_in_context(span)


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


def report(task: Task, outcome: Outcome, *, started: bool = False, spanned: bool = False) -> None:
    """Report the end of one try of a task that ended elsewhere, and what has not been reported before.

    `started` is whether its start has been reported, by its process or by an earlier attempt; `spanned` is the same
    of its span. This process cannot see whether it runs, so it has no heartbeat.
    """
    span: Literal["own", "elsewhere"] = "elsewhere" if spanned else "own"
    reported = TaskStep(task, WHOLE._replace(start=not started, heartbeat=False, span=span))
    reported.begin(int((task.started_at or time.time()) * 1e9))
    reported.step.close(outcome)
    reported.part.close(Outcome("success"))
