"""A run as the job's code sees it: what to record while it is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from batchtel.base.calls import public
from batchtel.runs.handle import Handle

if TYPE_CHECKING:
    from datetime import datetime

    from batchtel.runs.run import Run


class JobRun(Handle):
    """One run of a job, from start to end; made by `batchtel.job`."""

    _recorded: Run

    @property
    def run_id(self) -> str:
        """Id of the run."""
        return self._recorded.run_id

    @property
    def attempt(self) -> int:
        """Number of the attempt, 1 for the first."""
        return self._recorded.attempt

    @property
    def newest_data(self) -> float | None:
        """Unix time of the newest data that the run has seen, by `watermark`; None if it has reported none."""
        return self._recorded.data.newest

    @public(None, call="job.records(processed=98, failed=2)")
    def records(self, *, processed: int | None = None, failed: int | None = None) -> None:
        """Count records of the run: `processed` without failure, and `failed`; call it as often as you like.

        Report 0, too: it marks a run that processed nothing, unlike one that reports no records.
        """
        if self._has_ended("records"):
            return
        self._recorded.count(processed, failed)

    @public(None, call='job.failed_record("row-17", "no customer id")')
    def failed_record(self, id: object, error: BaseException | str) -> None:  # noqa: A002  # the term of users
        """Count one failed record of the run and log it with its id; beyond 100 a run it is counted only."""
        if self._has_ended("failed_record"):
            return
        self._recorded.count(None, 1)
        self._recorded.failed_records.log(self._recorded.recorder, id, error)

    @public(None, call='job.quality(0.98, schema_version="3")')
    def quality(self, score: float, *, schema_version: str | None = None) -> None:
        """Set the data-quality score of the run, 0 to 1, and the version of the schema it was validated against."""
        if self._has_ended("quality"):
            return
        self._recorded.data.judge(score, schema_version)

    @public(None, call="job.watermark(datetime.now(UTC))")
    def watermark(self, time: datetime | float | str) -> None:
        """Record how new the data is that the run has seen: of several times the newest counts.

        Args:
            time: A datetime with a timezone, Unix time in seconds, or ISO 8601.
        """
        if self._has_ended("watermark"):
            return
        self._recorded.reach(time)

    @public(None, call="job.progress(120, total=1000)")
    def progress(self, done: float | Callable[[], float], total: float | None = None) -> None:
        """Record how far the run has come, in records or any other unit of work.

        Args:
            done: Work done until now; or a function that returns it, which is asked at each heartbeat.
            total: Work in all, if you have it.
        """
        if self._has_ended("progress"):
            return
        if total is not None:
            self._recorded.progress.set_total(total)
        if callable(done):
            self._recorded.progress.ask_at_heartbeats(done)
            # A forked child begins to record by that.
            self._recorded.advance(0)
        else:
            self._recorded.advance(self._recorded.progress.reach(done))


def handle(run: Run) -> JobRun:
    """Return the only handle of `run`."""
    if run.handle is None:
        run.handle = JobRun(run)
    found: JobRun = run.handle
    return found
