"""A run as the job's code sees it: what to record while it is open."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from batchtel.base import lock, run_environment
from batchtel.base.calls import asked, public
from batchtel.base.guard import harmless, warn_once
from batchtel.base.identity import clean_name, new_run_id
from batchtel.base.outcome import Outcome
from batchtel.base.process_exit import is_worker
from batchtel.base.start import Start
from batchtel.base.timestamps import iso, unix_time
from batchtel.base.values import exception_attributes, is_given, number_of, text_of, whole_number
from batchtel.runs import current, owner
from batchtel.runs.resource_usage import Usage
from batchtel.runs.retry import Attempt
from batchtel.runs.run_data import Data
from batchtel.runs.run_mark import RunMark
from batchtel.runs.scope import Scope
from batchtel.runs.sla_watch import Expected
from batchtel.schema import settings
from batchtel.schema.signals import RUN_EVENT_LIMIT
from batchtel.telemetry.providers import Telemetry
from batchtel.telemetry.run_log import RunLog


class JobRun(Scope):
    """One run of a job, from start to end; made by `batchtel.job`."""

    level = "job"

    def __init__(
        self,
        name: str,
        type: str = "",  # noqa: A002  # the term of users
        run_id: str | None = None,
        attempt: int | None = None,
        *,
        scheduled_at: object = None,
        queued_at: object = None,
        retry: Attempt | None = None,
    ) -> None:
        own = settings.read(run_environment.without_open_run())
        given = text_of(run_id) if is_given(run_id) else ""
        self.run_id = (retry and retry.run_id) or given or text_of(own.run_id or new_run_id())
        self.attempt = (whole_number(attempt, "attempt") if is_given(attempt) else None) or own.attempt
        if retry is not None:
            retry.run_id = self.run_id
            self.attempt += retry.number - 1
        self._scheduled_at = unix_time(scheduled_at if is_given(scheduled_at) else own.scheduled_at, "scheduled_at")
        self._queued_at = unix_time(queued_at if is_given(queued_at) else own.queued_at, "queued_at")
        self.data = Data()
        # A counter whose next() is atomic: threads share the limit of their run.
        self._failed_records = itertools.count(1)
        self.log = RunLog()
        self.executable = ""
        self._done = 0.0
        self._total: float | None = None
        self._progress_of: Callable[[], float] | None = None
        self._progress_in = 0
        self._usage_before = Usage.now()
        self.usage: Usage | None = None
        self.mark = RunMark(self)
        called = clean_name(name, "job")
        self.expected = Expected("" if own.disabled else own.catalogue, called.whole)
        kind = clean_name(type if is_given(type) else self.expected.type or own.job_type, "job type")
        super().__init__(
            called.whole,
            {"job_name": called.label, "job_type": kind.label},
            {
                "batch.job.name": called.whole,
                "batch.job.type": kind.whole,
                "batch.run.id": self.run_id,
                "batch.run.attempt": self.attempt,
                **{key: iso(time) for key, time in self._moments().items()},
            },
            retry,
        )
        owner.set_ownership(self, owner=self.expected.owner, team=self.expected.team)

    def _moments(self) -> dict[str, float]:
        moments = {"batch.scheduled_at": self._scheduled_at, "batch.queued_at": self._queued_at}
        return {key: moment for key, moment in moments.items() if moment is not None}

    @property
    def job(self) -> JobRun:
        """The run itself."""
        return self

    @property
    def is_open(self) -> bool:
        """Whether a `job()` of the same name may still join the run."""
        return not self.closed

    @property
    def thread_owner(self) -> Scope:
        """Scope of code in a thread without the context of the run: the run itself."""
        return self

    @property
    def newest_data(self) -> float | None:
        """Unix time of the newest data that the run has seen, by `watermark`; None if it has reported none."""
        return self.data.newest

    @public(None, call="job.records(processed=98, failed=2)")
    def records(self, *, processed: int | None = None, failed: int | None = None) -> None:
        """Count records of the run: `processed` without failure, and `failed`; call it as often as you like.

        Report 0, too: it marks a run that processed nothing, unlike one that reports no records.
        """
        for counter, amount in self.data.count(processed, failed).items():
            if amount:
                self.add(counter, amount)

    @public(None, call='job.failed_record("row-17", "no customer id")')
    def failed_record(self, id: object, error: BaseException | str) -> None:  # noqa: A002  # the term of users
        """Count one failed record of the run and log it with its id; beyond 100 a run it is counted only."""
        self.records(failed=1)
        self.log_failed_record(self, id, error)

    @public(None, call='job.quality(0.98, schema_version="3")')
    def quality(self, score: float, *, schema_version: str | None = None) -> None:
        """Set the data-quality score of the run, 0 to 1, and the version of the schema it was validated against."""
        self.data.judge(score, schema_version)

    @public(None, call="job.watermark(datetime.now(UTC))")
    def watermark(self, time: datetime | float | str) -> None:
        """Record how new the data is that the run has seen: of several times the newest counts.

        Args:
            time: A datetime with a timezone, Unix time in seconds, or ISO 8601.
        """
        newest, process = self.data.reach(time), self.recorder
        if newest is not None and process is not None:
            process.meter.reach("batch.job.data.timestamp", newest, self.labels)

    @public(None, call="job.progress(120, total=1000)")
    def progress(self, done: float | Callable[[], float], total: float | None = None) -> None:
        """Record how far the run has come, in records or any other unit of work.

        Args:
            done: Work done until now; or a function that returns it, which is asked at each heartbeat.
            total: Work in all, if you have it.
        """
        if total is not None:
            self._total = number_of(total, "progress total")
        if callable(done):
            self._progress_of, self._progress_in = done, os.getpid()
            # A forked child begins to record by that.
            self.add("progress", 0)
        else:
            self._progressed(done)

    def beat(self) -> None:
        """Report a heartbeat of the run and, where a function was given for it, how far it has come."""
        super().beat()
        self._ask_progress()
        self.expected.beat(self)

    @harmless(None)
    def _ask_progress(self) -> None:
        # A forked child holds its parent's function, too: both would count what was done before the fork.
        if self._progress_of is not None and self.recorder is not None and self._progress_in == os.getpid():
            self._progressed(asked(self._progress_of, "progress()"))

    def _progressed(self, done: object) -> None:
        total = number_of(done, "progress") if done is not None else None
        if total is None:
            return
        with lock.shared():
            more = total - self._done
            counts = 0 <= more < float("inf")
            if counts:
                self._done += more
        if counts:
            self.add("progress", more)
        else:
            warn_once("progress", "progress %.60s is below what was done before; it is not counted", text_of(done))

    def log_failed_record(self, scope: Scope, id: object, error: BaseException | str) -> None:  # noqa: A002
        """Log one failed record of `scope`, a step of this run or the run itself, if fewer than 100 have been."""
        process = scope.recorder
        if process is None or (number := next(self._failed_records)) > RUN_EVENT_LIMIT + 1:
            return
        if number > RUN_EVENT_LIMIT:
            body, details = f"more than {RUN_EVENT_LIMIT} records failed; the rest is counted, not logged", {}
        else:
            body = f"record {text_of(id)} failed: {text_of(error)}"
            details = {"batch.record.id": text_of(id)}
            if isinstance(error, BaseException):
                details.update(exception_attributes(error))
            else:
                details["exception.message"] = text_of(error)
        attributes = {**scope.identity, **details}
        process.event("batch.record.failed", body, attributes, severity="WARN", context=scope._context)

    def begin(self, start: Start | None = None) -> None:
        """Open the run; with `start`, as of then."""
        self._expect(start.time / 1e9 if start is not None else time.time())
        super().begin(start)
        self._hand_over()

    def _expect(self, started: float) -> None:
        self.expected.begin(self, started, self._scheduled_at)

    def _around(self) -> Scope | None:
        # The run of another thread is not around this one: two at the same time would be parent and child by chance.
        return current.here() or (current.around(afresh=True) if is_worker() else None)

    def _hand_over(self) -> None:
        """Mark the run open for the processes that it starts."""
        if self._telemetry is not None:
            self.mark.open()

    def close(self, outcome: Outcome) -> None:
        """Close the run."""
        self._send_last_log_records()
        super().close(outcome)
        self.mark.close()
        self.data.close()

    @harmless(None)
    def _send_last_log_records(self) -> None:
        if self.recorder is not None and not self.closed:
            self.recorder.send_last_log_records(self.log)

    def _usage(self) -> Usage:
        if self.usage is None:
            self.usage = Usage.now().since(self._usage_before)
        return self.usage

    def _announce(self, process: Telemetry, at: float) -> None:
        super()._announce(process, at)
        process.begins(self)
        if self.retry is None and self.attempt > 1:
            self.add("retries", 1)
        if self.retry is None or self.retry.number == 1:
            self._report_wait(at)
        process.event(
            "batch.run.started", f"{self._title()} started", self.identity, severity="INFO", context=self._context
        )
        process.send_soon()

    def _report_wait(self, started: float) -> None:
        """Record the states before the start, where the scheduler reports their times and its clock is not ahead."""
        for state, entered in (("scheduled", self._scheduled_at), ("queued", self._queued_at)):
            if entered is not None and entered <= started:
                self._entered(state, entered)
        if self._queued_at is not None:
            self._measure_wait("queue_wait", self._queued_at, started)

    def _title(self) -> str:
        return f"run {self.run_id} of {self.name}" + (f", attempt {self.attempt}" if self.attempt > 1 else "")

    def _zeros(self) -> Mapping[str, tuple[Mapping[str, str], ...]]:
        counters = ("runs.started", "records.processed", "records.failed", "retries", "alive.time", "progress")
        zeros = {f"batch.job.{counter}": (self.labels,) for counter in counters}
        return {**zeros, **self.expected.zeros(self.labels), "batch.job.completions": self._completion_zeros()}

    def _measure(self, process: Telemetry, outcome: Outcome, duration: float) -> None:
        super()._measure(process, outcome, duration)
        process.meter.add("batch.job.cpu.time", self._usage().cpu_seconds, self.labels)
        process.meter.record("batch.job.memory.peak", self._usage().peak_memory, self.labels)
        self._measure_quality(process)
        if not outcome.goes_on:
            self.expected.end(self, outcome)
            if self.retry is not None and self.retry.first_started is not None and self.retry.number > 1:
                self._measure_wait("execution", self.retry.first_started, time.time())
            else:
                process.meter.record("batch.job.execution", duration, self.labels)
            if self._scheduled_at is not None:
                self._measure_wait("total", self._scheduled_at, time.time())

    def _measure_wait(self, name: str, since: float, until: float) -> None:
        """Record a time between two clocks, the scheduler's and ours; below 0 it shows only that they differ."""
        process = self.recorder
        if process is not None and until >= since:
            process.meter.record(f"batch.job.{name}", until - since, self.labels)

    def _measure_quality(self, process: Telemetry) -> None:
        if self.data.score is not None:
            process.meter.record("batch.job.data_quality.score", self.data.score, self.labels)

    def _result(self) -> dict[str, Any]:
        usage = {"batch.cpu.time": self._usage().cpu_seconds, "batch.memory.peak": self._usage().peak_memory}
        measured = {**usage, "process.executable.name": self.executable} if self.executable else usage
        progress = {"batch.progress.done": self._done} if self._done or self._total is not None else {}
        total = {"batch.progress.total": self._total} if self._total is not None else {}
        counted = {**self.data.attributes(), **self.expected.attributes(), **progress, **total}
        return {**self.described(), **counted, **measured}

    def _duration_labels(self, outcome: Outcome) -> Mapping[str, str]:
        return {**self.labels, "status": outcome.status}
