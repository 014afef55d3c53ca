"""A step as the job's code sees it: what to record while it is open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from batchtel.base import lock
from batchtel.base.calls import public
from batchtel.base.identity import clean_name
from batchtel.base.outcome import Outcome
from batchtel.base.values import count_of
from batchtel.runs.job_run import JobRun
from batchtel.runs.retry import Attempt
from batchtel.runs.scope import Scope

NAMES_OF_ETL: Final = {
    "extract": {"read": "extracted"},
    "transform": {"written": "transformed", "failed": "transform_errors"},
    "load": {"written": "loaded"},
}
"""Name of the step -> counter -> what people who extract, transform and load call it; an attribute more."""


class StepRun(Scope):
    """One execution of a step of a run; made by `batchtel.step`."""

    level = "step"

    def __init__(self, name: str, job: JobRun, retry: Attempt | None = None) -> None:
        self._job = job
        self._counts: dict[str, int] = {}
        called = clean_name(name, "step")
        identity = {**job.identity, "batch.step.name": called.whole}
        if retry is not None:
            identity["batch.step.attempt"] = retry.number
        super().__init__(called.whole, {**job.labels, "step_name": called.label}, identity, retry)

    @property
    def job(self) -> JobRun:
        """The run that the step belongs to."""
        return self._job

    @public(None, call="step.records(read=100, written=98, failed=2)")
    def records(self, *, read: int | None = None, written: int | None = None, failed: int | None = None) -> None:
        """Count records of the step; call it as often as you like."""
        for counter, given in (("read", read), ("written", written), ("failed", failed)):
            amount = None if given is None else count_of(given, counter)
            if amount is not None:
                self._job.data.count_in_step(amount if counter == "failed" else 0)
                with lock.shared():
                    self._counts[counter] = self._counts.get(counter, 0) + amount
            if amount:
                self.add(f"records.{counter}", amount)

    @public(None, call='step.failed_record("row-17", "no customer id")')
    def failed_record(self, id: object, error: BaseException | str) -> None:  # noqa: A002  # the term of users
        """Count one failed record of the step and log it with its id; beyond 100 a run it is counted only."""
        self.records(failed=1)
        self._job.log_failed_record(self, id, error)

    def _title(self) -> str:
        return f"step {self.name} of {self._job.name}, run {self._job.run_id},"

    def _zeros(self) -> Mapping[str, tuple[Mapping[str, str], ...]]:
        counters = ("runs.started", "records.read", "records.written", "records.failed", "retries", "alive.time")
        zeros = {f"batch.step.{counter}": (self.labels,) for counter in counters}
        return {**zeros, "batch.step.completions": self._completion_zeros()}

    def _result(self) -> dict[str, Any]:
        also = NAMES_OF_ETL.get(self.name, {})
        counts = {**self._counts, **{also[name]: count for name, count in self._counts.items() if name in also}}
        return {**self.described(), **{f"batch.records.{name}": count for name, count in counts.items()}}

    def _duration_labels(self, outcome: Outcome) -> Mapping[str, str]:
        # Two values: steps are many, and each value is a histogram more.
        return {**self.labels, "status": "success" if outcome.status in ("success", "skipped") else "failure"}
