"""A DAG run as a run of its job, reported by the helper: its start when it starts, the rest when it has ended."""

from __future__ import annotations

import time
from typing import Any, Final

from batchtel.airflow.facts import DagRun
from batchtel.base.outcome import Outcome
from batchtel.base.shared_counts import RecordCounts
from batchtel.base.start import Start
from batchtel.runs import dag_run_ids, owner
from batchtel.runs.reporting import Reporting
from batchtel.runs.run import Run
from batchtel.runs.scope import Scope

_ELSEWHERE: Final = Reporting(is_here=False, heartbeat=False)
"""A run that happens elsewhere: it has no process, so no heartbeat, no CPU seconds and no memory."""


class ReportedRun:
    """A DAG run as a run of its job.

    `watched` is the same run as it was when it started, if it was watched since, `watched_elsewhere` whether another
    process reports which limits of time it passes.
    """

    def __init__(self, run: DagRun, *, watched: ReportedRun | None = None, watched_elsewhere: bool = False) -> None:
        self._run = run
        self._reporting = _ELSEWHERE._replace(limits=not watched_elsewhere)
        self.job = Run(run.dag_id, run_id=run.run_id, attempt=1, scheduled_at=run.scheduled_at, queued_at=run.queued_at)
        self.job.ended_at = run.ended_at
        owner.set_ownership(self.job.recorder, owner=run.owner, team=run.team, tag=run.tags)
        if watched is not None:
            self.job.sla = watched.job.sla
        # Its tasks may report records, in processes that this one cannot see.
        self.job.sla.code_reports = self.job.sla.shares = False
        self.job.sla.makes_up = run.is_backfill
        attributes = {"airflow.dag_run.run_type": run.run_type, "airflow.dag_run.logical_date": run.logical_date}
        self.job.identity.update({name: value for name, value in attributes.items() if value})

    def report_start(self) -> None:
        """Report that the run has started."""
        self._begin(self._reporting._replace(span="elsewhere")).leave_open()

    def report_limits(self) -> None:
        """Report which limits of time it has newly passed."""
        self.job.beat()

    def report_end(self, outcome: Outcome, counts: RecordCounts | None = None) -> None:
        """Report the end of the run, with its span from start to end; `counts` is all that its tasks have reported."""
        data = self.job.data
        if counts is not None:
            data.processed, data.failed, data.newest, data.failed_in_steps = counts
        self._end(self._begin(self._reporting._replace(start=False)), outcome)

    def report(self, outcome: Outcome) -> None:
        """Report its start and its end: a callback is called when the run is over."""
        self._end(self._begin(self._reporting), outcome)

    def _begin(self, reporting: Reporting) -> Scope:
        self.job.reporting = reporting
        scope = Scope(self.job)
        own = self._rerun if self._is_below_first else self._root
        scope.begin(Start(int(self._started_at * 1e9), own.trace_id, own.span_id, own.flags), parent=self._parent)
        return scope

    def _end(self, scope: Scope, outcome: Outcome) -> None:
        scope.close(outcome, max(0.0, (self._run.ended_at or time.time()) - self._started_at))

    @property
    def _started_at(self) -> float:
        return self._run.started_at or time.time()

    @property
    def _root(self) -> dag_run_ids.SpanIds:
        return dag_run_ids.of_dag_run(self._run.dag_id, self._run.run_id, self._run.traceparent)

    @property
    def _rerun(self) -> dag_run_ids.SpanIds:
        """Ids of the span of a DAG run that was cleared and has started again."""
        root, started_at = self._root, self._run.started_at or 0.0
        return root._replace(span_id=dag_run_ids.bits_of(8, "rerun", format(root.span_id, "x"), repr(started_at)))

    @property
    def _is_below_first(self) -> bool:
        """Whether its span is below that of its first time: tasks have no other. Airflow's own trace is a new one."""
        return self._run.is_rerun and not self._run.traceparent

    def _parent(self) -> Any:
        from opentelemetry import trace
        from opentelemetry.context import Context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        if self._is_below_first:
            return trace.set_span_in_context(dag_run_ids.unrecorded(self._root), Context())
        # Below Airflow's own span of the run, if it makes one.
        return TraceContextTextMapPropagator().extract({"traceparent": self._run.traceparent}, Context())
