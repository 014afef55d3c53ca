"""One run of a job: what it is named, and what was recorded of it in this process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

from batchtel.base import pristine, run_environment
from batchtel.base.guard import harmless
from batchtel.base.identity import clean_name, new_run_id
from batchtel.base.outcome import Outcome
from batchtel.base.timestamps import iso, unix_time
from batchtel.base.values import AttributeValue, is_given, text_of, whole_number
from batchtel.runs import owner
from batchtel.runs.attempt import Attempt
from batchtel.runs.description import Description
from batchtel.runs.failed_records import FailedRecords
from batchtel.runs.progress import Progress
from batchtel.runs.recorder import Recorder
from batchtel.runs.reporting import WHOLE, Reporting
from batchtel.runs.resource_usage import Usage
from batchtel.runs.run_data import COUNTED, Data
from batchtel.runs.sla_watch import SlaWatch
from batchtel.schema import settings
from batchtel.telemetry.run_log import RunLog

if TYPE_CHECKING:
    from batchtel.catalogue.sla import Violation


class Mark(Protocol):
    """The mark of a run for the programs that are started in it."""

    @property
    def is_in_environment(self) -> bool:
        """Whether it is the environment of this process that holds it."""

    def variables(self) -> dict[str, str]:
        """Return what a program that the run starts is to find in its environment; empty if it has no mark."""

    def share(self) -> None:
        """Let a child that is about to be forked add what it counts to the run."""

    def put(self) -> bool:
        """Put it into the environment, if this process has opened the run; return whether it did."""

    def close(self) -> None:
        """Remove it, at the end of the run."""


class Run:
    """One run of a job, of which this process reports what `reporting` names.

    `opened_by` is set where another process has opened the run, `usage` where its CPU time and memory are not those of
    this process.
    """

    def __init__(
        self,
        name: str,
        type: str = "",  # noqa: A002  # the term of users
        run_id: str | None = None,
        attempt: int | None = None,
        *,
        scheduled_at: object = None,
        queued_at: object = None,
        of_several: Attempt | None = None,
        reporting: Reporting = WHOLE,
    ) -> None:
        own = settings.read(run_environment.without_open_run())
        given = text_of(run_id) if is_given(run_id) else ""
        self.reporting = reporting
        self.run_id = (of_several and of_several.run_id) or given or text_of(own.run_id or new_run_id())
        self.attempt = (whole_number(attempt, "attempt") if is_given(attempt) else None) or own.attempt
        if of_several is not None:
            of_several.run_id = self.run_id
            self.attempt += of_several.number - 1
        self.scheduled_at = unix_time(scheduled_at if is_given(scheduled_at) else own.scheduled_at, "scheduled_at")
        self.queued_at = unix_time(queued_at if is_given(queued_at) else own.queued_at, "queued_at")
        self.ended_at: float | None = None
        self.description = Description()
        self.data = Data()
        self.progress = Progress()
        self.log = RunLog()
        self.executable = ""
        self.usage_before = Usage.now()
        self.usage: Usage | None = None
        self.opened_by: run_environment.OpenRun | None = None
        self.mark: Mark | None = None
        self.handle: Any = None
        self.failed_records = FailedRecords()
        called = clean_name(name, "job")
        self.sla = SlaWatch("" if own.disabled else own.catalogue, called.whole)
        kind = clean_name(type if is_given(type) else self.sla.type or own.job_type, "job type")
        moments = {"batch.scheduled_at": self.scheduled_at, "batch.queued_at": self.queued_at}
        identity: dict[str, AttributeValue] = {
            "batch.job.name": called.whole,
            "batch.job.type": kind.whole,
            "batch.run.id": self.run_id,
            "batch.run.attempt": self.attempt,
            **{key: iso(moment) for key, moment in moments.items() if moment is not None},
        }
        labels = {"job_name": called.label, "job_type": kind.label}
        self.recorder = Recorder("job", called.whole, labels, identity, of_several)
        owner.set_ownership(self.recorder, owner=self.sla.owner, team=self.sla.team)

    @property
    def name(self) -> str:
        """Name of the job."""
        return self.recorder.name

    @property
    def identity(self) -> dict[str, Any]:
        """Attributes of every log record of it."""
        return self.recorder.identity

    @property
    def labels(self) -> dict[str, str]:
        """What its metrics carry."""
        return self.recorder.labels

    @property
    def context(self) -> Any:
        """The OpenTelemetry context with its span; None if nothing is recorded."""
        return self.recorder.context

    @property
    def job(self) -> Run:
        """The run itself."""
        return self

    @property
    def title(self) -> str:
        """The run in a sentence."""
        return f"run {self.run_id} of {self.name}" + (f", attempt {self.attempt}" if self.attempt > 1 else "")

    def expect(self, started: float) -> None:
        """Watch its SLA from the Unix time `started` on, if it is this process that judges the run."""
        if self.reporting.end == "whole":
            several = self.recorder.of_several
            self.sla.begin(self.data, self.labels["job_type"], started, self.scheduled_at, several)

    def count(self, processed: object, failed: object) -> None:
        """Count records; None is not given."""
        for counter, amount in self.data.count(processed, failed).items():
            if amount:
                self.recorder.add(counter, amount)

    def reach(self, moment: object) -> None:
        """Record the time of the newest data."""
        newest, process = self.data.reach(moment), self.recorder.telemetry
        if newest is not None and process is not None:
            process.meter.reach("batch.job.data.timestamp", newest, self.labels)

    def advance(self, more: float | None) -> None:
        """Count progress, the work done since the last time; None is no progress."""
        if more is not None:
            self.recorder.add("progress", more)

    def zero(self) -> None:
        """Let the series of its counters exist before the first increment."""
        self.recorder.zero(self.sla.zeros(self.labels), is_here=self.reporting.is_here)

    def report_start(self) -> None:
        """Report the start: counters, states before it, event."""
        recorder, started = self.recorder, self.recorder.started_at
        recorder.start()
        if (process := recorder.telemetry) is not None:
            process.begins(self)
        several = recorder.of_several
        if several is None and self.attempt > 1:
            recorder.add("retries", 1)
        if several is None or several.number == 1:
            self._report_wait(started)
        recorder.event("batch.run.started", f"{self.title} started", {}, "INFO")
        if process is not None:
            process.send_soon()

    def _report_wait(self, started: float) -> None:
        """Record the states before the start, where the scheduler reports their times and its clock is not ahead."""
        for state, entered in (("scheduled", self.scheduled_at), ("queued", self.queued_at)):
            if entered is not None and entered <= started:
                self.recorder.enter(state, entered)
        if self.queued_at is not None:
            self._measure("queue_wait", started - self.queued_at)

    def _measure(self, name: str, seconds: float) -> None:
        """Record a time between two clocks, the scheduler's and ours; below 0 it shows only that they differ."""
        process = self.recorder.telemetry
        if process is not None and seconds >= 0:
            process.meter.record(f"batch.job.{name}", seconds, self.labels)

    def beat(self) -> None:
        """Report how far it has come, and which limits of time it has newly passed."""
        self._report_progress()
        if self.reporting.end == "whole":
            late = self._newly_late()
            self._violated(late or () if self.reporting.limits else ())

    @harmless(None)
    def _newly_late(self) -> list[Violation]:
        return self.sla.newly_late()

    @harmless(None)
    def _report_progress(self) -> None:
        """Ask the function that reports the progress, if there is one."""
        if self.recorder.telemetry is not None:
            self.advance(self.progress.asked())

    @harmless(None)
    def _violated(self, violations: Iterable[Violation]) -> None:
        for violation in violations:
            process = self.recorder.telemetry
            if process is None:
                return
            attributes = {
                "batch.sla.violation": violation.type,
                "batch.sla.limit": float(violation.limit),
                "batch.sla.observed": float(violation.observed),
            }
            process.meter.add("batch.job.sla.violations", 1, {**self.labels, "violation_type": violation.type})
            body = f"{self.title} violates its SLA: {violation.type} ({violation.text})"
            self.recorder.event("batch.sla.violated", body, attributes, "WARN")
            # A beat may come a moment after the end.
            if self.recorder.span.is_recording():
                self.recorder.span.add_event("batch.sla.violated", attributes, pristine.time_ns())

    def report_end(self, outcome: Outcome, duration: float) -> None:
        """Report the end: metrics, SLA, event and span."""
        recorder, now = self.recorder, self.ended_at or pristine.time()
        recorder.complete(outcome, duration, {**self.labels, "status": outcome.status})
        if self.reporting.is_here:
            self._report_use()
        if not outcome.goes_on:
            self._violated(self._violated_at_end(outcome) or ())
            several = recorder.of_several
            since = several.first_started if several is not None and several.number > 1 else None
            self._measure("execution", duration if since is None else now - since)
            # What a backfill makes up for was due long ago.
            if self.scheduled_at is not None and not self.sla.makes_up:
                self._measure("total", now - self.scheduled_at)
        recorder.finish(self.title, outcome, duration, self.result())

    @harmless(None)
    def _violated_at_end(self, outcome: Outcome) -> list[Violation]:
        return self.sla.ended(self.data, outcome)

    def _report_use(self) -> None:
        process, usage = self.recorder.telemetry, self._used()
        if process is not None:
            process.meter.add("batch.job.cpu.time", usage.cpu_seconds, self.labels)
            process.meter.record("batch.job.memory.peak", usage.peak_memory, self.labels)
        self._report_quality()

    def _report_quality(self) -> None:
        process = self.recorder.telemetry
        if process is not None and self.data.score is not None:
            process.meter.record("batch.job.data_quality.score", self.data.score, self.labels)

    def _used(self) -> Usage:
        if self.usage is None:
            self.usage = Usage.now().since(self.usage_before)
        return self.usage

    def report_part(self) -> None:
        """Report what this process has recorded of a run whose end another process reports."""
        self._report_quality()
        self.recorder.report_part(self.title, self.result())

    def has_part(self) -> bool:
        """Whether anything was recorded in this process that no other one reports."""
        elsewhere = COUNTED if self.reporting.shares_counts else {"batch.records.outcome"}
        return bool(self.description.attributes() or self.data.attributes().keys() - elsewhere)

    def result(self) -> dict[str, Any]:
        """Return the attributes of what it did."""
        if not self.reporting.is_here:
            return {**self.description.attributes(), **self.sla.attributes()}
        usage = self._used()
        used = {"batch.cpu.time": usage.cpu_seconds, "batch.memory.peak": usage.peak_memory}
        command = {"process.executable.name": self.executable} if self.executable else {}
        counted = {**self.data.attributes(), **self.sla.attributes(), **self.progress.attributes()}
        return {**self.description.attributes(), **counted, **used, **command}
