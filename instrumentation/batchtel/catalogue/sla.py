"""SLA rules: the limits of one run by the catalogue, and which of them the run has violated.

Comparisons are strict: what equals its limit is no violation.
"""

from __future__ import annotations

from typing import NamedTuple

from batchtel.base import native
from batchtel.base.guard import warn_once
from batchtel.base.shared_counts import RecordCounts
from batchtel.base.timestamps import iso
from batchtel.catalogue import zones
from batchtel.catalogue.keys import CatalogueJob, Schedule, Sla
from batchtel.schema.signals import VIOLATION_TYPES

BACKFILL = "backfill"
"""Type of the jobs that make up for the past: they are due when they are run, so no deadline is theirs."""

TOLERANCE = 60.0
"""Seconds that a machine's clock may be behind the scheduler's: a run starts no minute before it is due."""


class Violation(NamedTuple):
    """One rule that a run has violated; `limit` and `observed` in seconds, records, a share, or as Unix time."""

    type: str
    limit: float
    observed: float
    text: str


def duration_exceeded(limit: float, seconds: float) -> Violation | None:
    """Return a violation if a run lasts, or has lasted, more than `limit` seconds."""
    if seconds <= limit:
        return None
    return Violation("duration_exceeded", limit, seconds, f"{seconds:.1f} s, at most {limit:g} s")


def deadline_missed(due: float, now: float) -> Violation | None:
    """Return a violation if a run is not complete, or was completed, after `due`; both Unix times."""
    return Violation("deadline_missed", due, now, f"not complete by {iso(due)}") if now > due else None


def failure_rate_exceeded(limit: float, processed: int, failed: int) -> Violation | None:
    """Return a violation if more than the share `limit` of all records failed; no records have no share."""
    total = processed + failed
    if not total or failed / total <= limit:
        return None
    rate = failed / total
    text = f"{failed} of {total} records failed ({rate:.2%}), at most {limit:.2%}"
    return Violation("failure_rate_exceeded", limit, rate, text)


def insufficient_records(limit: int, processed: int) -> Violation | None:
    """Return a violation if fewer than `limit` records were processed."""
    if processed >= limit:
        return None
    return Violation("insufficient_records", limit, processed, f"{processed} records processed, at least {limit}")


def data_stale(limit: float, newest: float, reference: float) -> Violation | None:
    """Return a violation if the newest data is more than `limit` seconds older than `reference`; both Unix times."""
    age = reference - newest
    if age <= limit:
        return None
    return Violation("data_stale", limit, age, f"the newest data is {age:.0f} s old, at most {limit:g} s")


def asks_for_data(sla: Sla | None) -> bool:
    """Return whether there are rules of records or data."""
    return sla is not None and (sla.max_failure_rate, sla.min_records, sla.max_data_age) != (None, None, None)


class RunSla:
    """The SLA of one run, over all its attempts; each rule is violated once at most.

    Args:
        sla: The rules.
        schedule: When runs of the job are due, if the catalogue has it.
        started: Unix time of the first start.
        scheduled: Unix time at which the run was due, if its scheduler reports it; else the schedule has it.
        backfill: Whether the job makes up for the past.
    """

    def __init__(
        self, sla: Sla, schedule: Schedule | None, started: float, scheduled: float | None, *, backfill: bool
    ) -> None:
        self.sla = sla
        self._started = started
        # Reentrant: a signal handler may end the run while the main thread is in here.
        self._lock = native.RLock()
        self._ended = False
        self._violations: dict[str, Violation] = {}
        self._due: float | None = None
        self._makes_up = backfill
        self._reference = scheduled
        try:
            moment = scheduled or _previous(schedule, started + TOLERANCE) or started
            self._makes_up = backfill or _is_outdated(moment, started, sla, schedule)
            self._reference = scheduled if backfill else moment
            if sla.must_complete_by is not None and not self._makes_up:
                self._due = sla.must_complete_by.after(moment)
        except zones.NoZonesError as error:
            warn_once("zones", "deadlines and schedules of the catalogue are not checked: %s", error)

    @classmethod
    def of(cls, job: CatalogueJob | None, started: float, scheduled: float | None, job_type: str) -> RunSla | None:
        """Return what a run of a catalogue's job owes; None if that is nothing, or the job is paused."""
        if job is None or job.sla is None or job.paused or not any(rule is not None for rule in job.sla):
            return None
        return cls(job.sla, job.schedule, started, scheduled, backfill=job_type == BACKFILL)

    @property
    def asks_for_data(self) -> bool:
        """Whether there are rules of records or data."""
        return asks_for_data(self.sla)

    @property
    def has_limits_of_time(self) -> bool:
        """Whether there are rules that a run violates by lasting."""
        return self.sla.max_duration is not None or self._due is not None

    def can_be_judged_by(self, counts: RecordCounts) -> bool:
        """Return whether every rule of records and data has what it compares in `counts`."""
        records = self.sla.min_records is not None or self.sla.max_failure_rate is not None
        return not (records and counts.processed is None) and not (self.sla.max_data_age and counts.newest is None)

    @property
    def types(self) -> tuple[str, ...]:
        """The types of violation that there can be."""
        rules = zip(VIOLATION_TYPES, self.sla, strict=True)
        return tuple(kind for kind, limit in rules if limit is not None)

    @property
    def violated(self) -> list[str]:
        """The types of the violations until now, in their order."""
        with self._lock:
            return list(self._violations)

    def passed(self, seconds: float, now: float) -> list[Violation]:
        """Return the limits of time that are newly passed, `seconds` after the first start, at Unix time `now`."""
        return self._new(self._passed(seconds, now))

    def is_late(self, seconds: float, now: float) -> bool:
        """Return whether `passed` would return any."""
        return any(each and each.type not in self.violated for each in self._passed(seconds, now))

    def _passed(self, seconds: float, now: float) -> list[Violation | None]:
        found = []
        if self.sla.max_duration is not None:
            found.append(duration_exceeded(self.sla.max_duration, seconds))
        if self._due is not None:
            found.append(deadline_missed(self._due, now))
        return found

    def ended(self, counts: RecordCounts, now: float) -> list[Violation]:
        """Return the rules of records and data that the run, ended at Unix time `now`, has newly violated.

        What was not reported is not judged. From now on nothing is new.
        """
        found = []
        if self.sla.max_failure_rate is not None:
            found.append(failure_rate_exceeded(self.sla.max_failure_rate, counts.processed or 0, counts.failed or 0))
        if self.sla.min_records is not None and counts.processed is not None:
            found.append(insufficient_records(self.sla.min_records, counts.processed))
        reference = self._reference if self._makes_up else now
        if self.sla.max_data_age is not None and counts.newest is not None and reference is not None:
            found.append(data_stale(self.sla.max_data_age, counts.newest, reference))
        with self._lock:
            new = self._new(found)
            self._ended = True
        return new

    def _new(self, found: list[Violation | None]) -> list[Violation]:
        # The heartbeat's thread and the one that ends the run may come at the same time.
        with self._lock:
            new = [each for each in found if each and each.type not in self._violations and not self._ended]
            self._violations.update({violation.type: violation for violation in new})
        return new


def _previous(schedule: Schedule | None, until: float) -> float | None:
    """Return when a run was last due until then, by the schedule; None if that has no cron expression."""
    if schedule is None or schedule.cron is None:
        return None
    return schedule.cron.previous(until, zones.zone(schedule.timezone))


def _is_outdated(moment: float, started: float, sla: Sla, schedule: Schedule | None) -> bool:
    """Return whether a run that was due at `moment` makes up for one that was left out.

    It does if the deadline after its own had passed, too, when it started; without a deadline, if the next run was due.
    Less than that is late.
    """
    if sla.must_complete_by is not None:
        return sla.must_complete_by.after(sla.must_complete_by.after(moment)) < started
    if schedule is not None and schedule.every is not None:
        return moment + schedule.every <= started
    previous = _previous(schedule, started)
    return previous is not None and previous > moment
