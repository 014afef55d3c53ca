"""A DAG run as a run of its job, reported by the helper: its start when it starts, the rest when it has ended."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from batchtel.airflow import ids
from batchtel.airflow.facts import DagRun
from batchtel.base.outcome import Outcome
from batchtel.base.shared_counts import RecordCounts
from batchtel.base.start import Start
from batchtel.runs import current, dag_run_ids, owner
from batchtel.runs.job_run import JobRun
from batchtel.runs.scope import Scope
from batchtel.telemetry.providers import Telemetry


class ReportedRun(JobRun):
    """A run that happens elsewhere: it has no process, so no heartbeat, no CPU seconds and no memory.

    `watched` is the same run as it was when it started, if it was watched since, `watched_elsewhere` whether another
    process reports which limits of time it passes.
    """

    def __init__(self, run: DagRun, *, watched: ReportedRun | None = None, watched_elsewhere: bool = False) -> None:
        super().__init__(
            run.dag_id, run_id=run.run_id, attempt=1, scheduled_at=run.scheduled_at, queued_at=run.queued_at
        )
        owner.set_ownership(self, owner=run.owner, team=run.team, tag=run.tags)
        self._run = run
        self._reports_start = True
        self._reports_end = False
        self._watched_elsewhere = watched_elsewhere
        self._is_watched = watched is not None
        if watched is not None:
            self.expected = watched.expected
        # Its tasks may report records, in processes that this one cannot see.
        self.expected.code_reports = self.expected.shares = False
        self.expected.makes_up = run.is_backfill
        attributes = {"airflow.dag_run.run_type": run.run_type, "airflow.dag_run.logical_date": run.logical_date}
        self.identity.update({name: value for name, value in attributes.items() if value})

    def report_start(self) -> None:
        """Report that the run has started."""
        self.begin(self._start)
        self.closed = True
        self.leave()
        current.closed(self)

    def report_end(self, outcome: Outcome, counts: RecordCounts | None = None) -> None:
        """Report the end of the run, with its span from start to end; `counts` is all that its tasks have reported."""
        if counts is not None:
            self.data.processed, self.data.failed, self.data.newest, self.data.failed_in_steps = counts
        self._reports_start = False
        self.report(outcome)

    def report(self, outcome: Outcome) -> None:
        """Report its start and its end: a callback is called when the run is over."""
        self._reports_end = True
        self.begin(self._start)
        lasted = (self._run.ended_at or time.time()) - self._start.time / 1e9
        self._started = time.perf_counter() - max(0.0, lasted)
        self.close(outcome)

    @property
    def _start(self) -> Start:
        own = self._ids
        return Start(int((self._run.started_at or time.time()) * 1e9), own.trace_id, own.span_id)

    @property
    def _root(self) -> dag_run_ids.SpanIds:
        return dag_run_ids.of_dag_run(self._run.dag_id, self._run.run_id, self._run.traceparent)

    @property
    def _ids(self) -> dag_run_ids.SpanIds:
        return ids.of_rerun(self._root, self._run.started_at or 0.0) if self._is_below_first else self._root

    @property
    def _is_below_first(self) -> bool:
        """Whether its span is below that of its first time: tasks have no other. Airflow's own trace is a new one."""
        return self._run.is_rerun and not self._run.traceparent

    def beat(self) -> None:
        """Watch the limits of time only: this process cannot see whether the run is alive."""
        if self._watched_elsewhere:
            self.expected.mark_late()
        else:
            self.expected.beat(self)

    def _expect(self, started: float) -> None:
        if not self._is_watched:
            super()._expect(started)

    def _around(self) -> Scope | None:
        return None

    def _parent_context(self, process: Telemetry) -> Any:
        from opentelemetry import trace
        from opentelemetry.context import Context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        if self._is_below_first:
            return trace.set_span_in_context(dag_run_ids.unrecorded(self._root), Context())
        # Below Airflow's own span of the run, if it makes one.
        return TraceContextTextMapPropagator().extract({"traceparent": self._run.traceparent}, Context())

    def _start_span(self, process: Telemetry, parent: Any, start: Start | None) -> Any:
        if self._reports_end:
            return super()._start_span(process, parent, start)
        return dag_run_ids.unrecorded(self._ids)

    def _hand_over(self) -> None:
        """Do nothing: the helper starts no processes."""

    def _announce(self, process: Telemetry, at: float) -> None:
        if self._reports_start:
            super()._announce(process, at)

    def _zeros(self) -> Mapping[str, tuple[Mapping[str, str], ...]]:
        return {
            "batch.job.runs.started": (self.labels,),
            "batch.job.completions": self._completion_zeros(),
            **self.expected.zeros(self.labels),
        }

    def _measure(self, process: Telemetry, outcome: Outcome, duration: float) -> None:
        Scope._measure(self, process, outcome, duration)
        self.expected.end(self, outcome)
        process.meter.record("batch.job.execution", duration, self.labels)
        # What a backfill makes up for was due long ago.
        if self._scheduled_at is not None and not self._run.is_backfill:
            self._measure_wait("total", self._scheduled_at, self._run.ended_at or time.time())

    def _result(self) -> dict[str, Any]:
        return {**self.described(), **self.expected.attributes()}
