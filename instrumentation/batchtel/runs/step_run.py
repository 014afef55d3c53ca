"""A step as the job's code sees it: what to record while it is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchtel.base.calls import public
from batchtel.runs import job_run
from batchtel.runs.handle import Handle
from batchtel.runs.job_run import JobRun

if TYPE_CHECKING:
    from batchtel.runs.step import Step


class StepRun(Handle):
    """One execution of a step of a run; made by `batchtel.step`."""

    _recorded: Step

    @property
    def job(self) -> JobRun:
        """The run that the step belongs to."""
        return job_run.handle(self._recorded.job)

    @public(None, call="step.records(read=100, written=98, failed=2)")
    def records(self, *, read: int | None = None, written: int | None = None, failed: int | None = None) -> None:
        """Count records of the step; call it as often as you like."""
        if self._has_ended("records"):
            return
        self._recorded.count(read=read, written=written, failed=failed)

    @public(None, call='step.failed_record("row-17", "no customer id")')
    def failed_record(self, id: object, error: BaseException | str) -> None:  # noqa: A002  # the term of users
        """Count one failed record of the step and log it with its id; beyond 100 a run it is counted only."""
        if self._has_ended("failed_record"):
            return
        self._recorded.count(failed=1)
        self._recorded.job.failed_records.log(self._recorded.recorder, id, error)


def handle(step: Step) -> StepRun:
    """Return the only handle of `step`."""
    if step.handle is None:
        step.handle = StepRun(step)
    found: StepRun = step.handle
    return found
