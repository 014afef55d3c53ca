"""The jobs and stages of one SparkContext as spans under the steps that have run them.

Each step gives the jobs of its thread a tag. At the end of the step its jobs are read.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import sys
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from batchtel.base import native, pristine
from batchtel.base.guard import harmless, of_job, warn_once
from batchtel.runs.observers import OBSERVERS
from batchtel.runs.run import Run
from batchtel.runs.scope import Scope, innermost
from batchtel.runs.step import Step
from batchtel.spark import executors, observations
from batchtel.spark.stages import Job, Stage, Total
from batchtel.spark.status import PATIENCE, SilentError, Status
from batchtel.spark.tags import JobTags, scopes_around

SPAN_LIMIT: Final = 1_000
"""Spans of jobs and stages of one application; what is beyond is in the totals of steps and run only."""

SILENT: Final = "Spark's JVM does not answer (%s), so not all jobs and stages of Spark are recorded"

EVICTED: Final = (
    "Spark keeps the last jobs and stages only (spark.ui.retainedJobs, spark.ui.retainedStages), and more have run, so "
    "the run and the steps that were open have no counts of Spark"
)


_ROOTS: Final[weakref.WeakKeyDictionary[Scope, Total]] = weakref.WeakKeyDictionary()


class Observer:
    """Follows `context`, the SparkContext of this process; what runs in no step belongs to `root`."""

    def __init__(self, context: Any, root: Scope) -> None:
        self._context = context
        self.root = root
        self._process = os.getpid()
        # Both of the context's JVM, which may answer no more at the end.
        self._identity = {
            "spark.application.id": str(context.applicationId or ""),
            "spark.application.name": str(context.appName or ""),
        }
        self._lock = native.Lock()
        self._given: dict[str, str] = {}
        self._status: Status | None = None
        self._observations: observations.Observations | None = None
        self._tags = JobTags(context)
        # One for all contexts of a run, which may make one after the other.
        self._totals: dict[Scope, Total] = {root: _ROOTS.setdefault(root, Total())}
        self._next = 0
        self._reported: set[int] = set()
        self._running: dict[int, Scope] = {}
        self._stages: set[int] = set()
        self._spans = 0

    @classmethod
    def is_following(cls, context: Any) -> bool:
        """Whether one of them follows `context`."""
        return any(isinstance(each, cls) and each._context is context for each in OBSERVERS)

    @harmless(None)
    def begin(self) -> None:
        """Follow runs and steps from here on; those that are open already, too."""
        OBSERVERS.append(self)
        self._given = executors.give(self._context)
        self._follow_stop()
        with contextlib.suppress(SilentError):
            self._status = Status(self._context)
            self._leave_out_what_ran_before(self._status)
            self._observations = observations.of_driver(self._observed)
        within = itertools.takewhile(lambda scope: scope is not self.root, scopes_around(innermost()))
        for scope in reversed(list(within)):
            self.begun(scope)

    def _leave_out_what_ran_before(self, status: Status) -> None:
        for job in status.jobs(0):
            self._next = job.id + 1
            # A later job names the stages, too, whose output it uses again.
            self._stages.update(job.stages)

    def _follow_stop(self) -> None:
        """Report before the context is stopped: its store is closed with it."""
        stop = self._context.stop

        @functools.wraps(stop)
        def reported() -> None:
            self.finish()
            stop()

        self._context.stop = reported

    @property
    def _is_followed(self) -> bool:
        return self._process == os.getpid() and self._context._jsc is not None

    @harmless(None)
    def begun(self, scope: Scope) -> None:
        """Give the jobs that the step runs from here on, in this thread, a tag of their own."""
        if scope.is_run or scope is self.root or scope.span_context is None or not self._is_followed:
            return
        if self._status is None:
            return
        try:
            # Tags are those of a thread, so they need its own connection to the JVM, which has no time limit.
            self._status.ping()
            if self._observations is not None and self._observations.is_waiting:
                # What has ended before this step is not observed in it.
                self._status.settle()
                self._put_observed(scope.outer if scope.outer in self._totals else self.root)
            if self._tags.put(scope):
                self._totals[scope] = Total()
        except Exception as error:
            self._give_up(error)

    @harmless(None)
    def ending(self, scope: Scope) -> None:
        """Report the jobs of a step that ends, and the rest where the root does."""
        if scope is self.root:
            self.finish()
        elif scope in self._totals and self._process == os.getpid():
            try:
                self._report(scope)
                self._describe(scope)
            finally:
                if self._status is not None:
                    self._tags.remove(scope)

    @harmless(None)
    def finish(self) -> None:
        """Report what is left, and follow no more."""
        if self not in OBSERVERS or self._process != os.getpid():
            return
        OBSERVERS.remove(self)
        vars(self._context).pop("stop", None)
        executors.clear(self._context, self._given)
        try:
            self._report(None)
            for scope in list(self._totals):
                self._describe(scope)
        finally:
            if self._observations is not None:
                self._observations.close()
            if self._status is not None:
                self._status.close()
                self._status = None

    def _describe(self, scope: Scope) -> None:
        total = self._totals.pop(scope, None)
        if total is None or scope.recorder.has_ended:
            return
        counts = total.attributes()
        # What contexts before have put, where the counts are complete no more.
        scope.recorded.description.discard(total.names)
        identity = self._identity.items() if scope is self.root else ()
        scope.recorded.description.put([*identity, *counts.items()], "spark")
        self._put_observed(scope, everywhere=scope is self.root)
        if isinstance(scope.recorded, Step):
            scope.recorded.count_observed(read=_records(counts, "input"), written=_records(counts, "output"))

    def _put_observed(self, scope: Scope, *, everywhere: bool = False) -> None:
        if self._observations is not None:
            observed = self._observations.ended(everywhere=everywhere)
            scope.recorded.description.put(observed, "observe()")

    def _observed(self, observation: Any) -> Mapping[str, Any] | None:
        if self._status is None:
            return None
        try:
            return self._status.observed(observation)
        except SilentError as error:
            self._give_up(error)
            return None

    def _report(self, ending: Scope | None) -> None:
        """Report the jobs that have ended, for a step that ends; all of them where `ending` is None, the last time."""
        is_last = ending is None
        # A signal handler may end a step while this thread reports another one.
        if self._status is None or not self._lock.acquire(timeout=PATIENCE):
            return
        try:
            self._status.settle()
            jobs = [job for job in self._status.jobs(self._next) if job.id not in self._reported]
            self._look_for_evicted(jobs)
            ended = [job for job in jobs if job.is_over or is_last]
            stages = self._status.stages({stage for job in ended for stage in job.stages} - self._stages)
            for job in jobs:
                scope = self._running.pop(job.id, None) or self._scope_of(job)
                if job in ended:
                    self._report_job(job, scope, stages)
                    self._reported.add(job.id)
                    continue
                # Its step may end before it.
                self._running[job.id] = scope
                if scope is ending:
                    self._totals[scope].add_job(job)
            while self._next in self._reported:
                self._reported.discard(self._next)
                self._next += 1
        except SilentError as error:
            self._give_up(error)
        finally:
            self._lock.release()

    def _look_for_evicted(self, jobs: Sequence[Job]) -> None:
        """Find that jobs are missing: their ids follow each other."""
        found = {*self._reported, *(job.id for job in jobs)}
        if missing := {*range(self._next, max(found, default=0))} - found:
            self._miss(self._totals.values())
            self._next = max(missing) + 1

    @staticmethod
    def _miss(totals: Iterable[Total]) -> None:
        warn_once("spark:evicted", EVICTED)
        for total in totals:
            total.miss()

    def _give_up(self, error: Exception) -> None:
        """Read nothing more, or raise what a signal handler of the job has raised meanwhile."""
        own = of_job(error, sys._getframe(1))
        if own is not None:
            if self._status is not None:
                self._status.close()
                self._status = None
            with contextlib.suppress(SilentError):
                self._status = Status(self._context)
            raise own
        warn_once("spark:silent", SILENT, error)
        for total in self._totals.values():
            total.miss()
        if self._status is not None:
            self._status.close()
            self._status = None

    def _report_job(self, job: Job, scope: Scope, stages: Mapping[int, list[Stage]]) -> None:
        totals = [self._totals[each] for each in dict.fromkeys((scope, self.root)) if each in self._totals]
        for total in totals:
            total.add_job(job)
        span = self._span("spark.job", scope.recorder.context, job, scope)
        for stage_id in job.stages:
            if stage_id in self._stages:
                continue
            if stage_id not in stages:
                self._miss(totals)
                continue
            attempts = [stage for stage in stages[stage_id] if stage.submitted is not None]
            if not attempts:
                continue
            self._stages.add(stage_id)
            for total in totals:
                total.add_stage(attempts)
            for stage in attempts:
                self._end(self._span("spark.stage", span, stage, scope), stage)
        self._end(span, job)

    def _scope_of(self, job: Job) -> Scope:
        scope = self._tags.scope_of(job.tags)
        return scope if scope in self._totals else self.root

    def _span(self, name: str, parent: Any, what: Job | Stage, scope: Scope) -> Any:
        """Begin a span below `parent`, a context or a span; None beyond the limit, or where nothing is recorded."""
        process = scope.recorder.telemetry
        if process is None or parent is None or self._spans >= SPAN_LIMIT:
            return None
        self._spans += 1
        if hasattr(parent, "get_span_context"):
            parent = process.trace_api.set_span_in_context(parent, scope.recorder.context)
        run: Run = scope.job
        identity = {"batch.job.name": run.name, "batch.run.id": run.run_id}
        attributes = process.redaction.attributes({**identity, **what.attributes()})
        return process.tracer.start_span(name, parent, attributes=attributes, start_time=what.submitted)

    @staticmethod
    def _end(span: Any, what: Job | Stage) -> None:
        if span is None:
            return
        if what.status == "FAILED":
            from opentelemetry.trace import Status as SpanStatus
            from opentelemetry.trace import StatusCode

            reason = (getattr(span, "attributes", None) or {}).get("spark.stage.failure", "")
            span.set_status(SpanStatus(StatusCode.ERROR, reason.partition("\n")[0]))
        span.end(what.completed or pristine.time_ns())


def _records(counts: Mapping[str, int], way: str) -> int | None:
    """Return the records of the way `input` or `output`, 0 where there were bytes only; None where it was not used."""
    records = counts.get(f"spark.{way}.records")
    return records if records or counts.get(f"spark.{way}.bytes") else None
