"""The SLA of one run, watched while the run is open: violations are reported at once.

Most jobs have no catalogue, so what reads and judges one is imported where there is one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from batchtel.base.guard import harmless
from batchtel.base.outcome import Outcome

if TYPE_CHECKING:
    from batchtel.catalogue.keys import CatalogueJob
    from batchtel.catalogue.sla import RunSla, Violation
    from batchtel.runs.job_run import JobRun


class Expected:
    """The catalogue entry for one run of a job, in the file `path`, which may be empty.

    `type`, `owner` and `team` are the job's there, empty if it has none. `makes_up` is whether the run makes up
    for the past, as all runs of the type `backfill` do. `code_reports` is whether the run's own code can report
    records, so that silence means none; `shares` whether processes that it starts may report them, too.
    """

    def __init__(self, path: str, job: str) -> None:
        self._listed = _listed(path, job)
        self.type = self._listed.type if self._listed is not None else ""
        self.owner = self._listed.owner if self._listed is not None else ""
        self.team = self._listed.team if self._listed is not None else ""
        self.code_reports = True
        self.shares = True
        self.makes_up = False
        self._owed: RunSla | None = None
        self._not_judged = False
        self._started = 0.0
        self._process = os.getpid()

    @harmless(None)
    def begin(self, run: JobRun, started: float, scheduled: float | None) -> None:
        """Note what the run owes that has started at the Unix time `started`; further attempts go on with that."""
        if self._listed is None:
            return
        from batchtel.catalogue.sla import BACKFILL, RunSla

        retry = run.retry
        self._owed, self._started = (retry and retry.owed) or (
            RunSla.of(self._listed, started, scheduled, BACKFILL if self.makes_up else run.labels["job_type"]),
            # By a clock that no one sets while the run lasts.
            time.perf_counter() - (time.time() - started),
        )
        if retry is not None:
            retry.owed = (self._owed, self._started)
        if self._owed is not None:
            run.data.minimum = self._owed.sla.min_records
            if self._owed.asks_for_data and self.shares:
                run.data.share()

    @property
    def asks_for_data(self) -> bool:
        """Whether the catalogue has rules of records or data for the job."""
        from batchtel.catalogue.sla import asks_for_data

        return self._listed is not None and not self._listed.paused and asks_for_data(self._listed.sla)

    @property
    def has_limits_of_time(self) -> bool:
        """Whether the run, which has begun, owes to end within some time."""
        return self._owed is not None and self._owed.has_limits_of_time

    @property
    def is_late(self) -> bool:
        """Whether the run has passed a limit of time that was not reported."""
        return self._owed is not None and self._owed.is_late(*self._now())

    def _now(self) -> tuple[float, float]:
        return time.perf_counter() - self._started, time.time()

    @harmless(None)
    def mark_late(self) -> None:
        """Note which limits of time the run has passed, without reporting them: another process does."""
        if self._owed is not None:
            self._owed.passed(*self._now())

    def zeros(self, labels: Mapping[str, str]) -> dict[str, tuple[Mapping[str, str], ...]]:
        """Return the counter of violations with the label sets of those that there can be."""
        types = self._owed.types if self._owed is not None else ()
        return {"batch.job.sla.violations": tuple({**labels, "violation_type": each} for each in types)}

    def attributes(self) -> dict[str, Any]:
        """Return the SLA attributes of the run's span and finished event; nothing if it has no SLA.

        Nor where a rule could not be judged, unless another one is violated.
        """
        if self._owed is None or (self._not_judged and not self._owed.violated):
            return {}
        violated = self._owed.violated
        return {"batch.sla.met": not violated, **({"batch.sla.violations": violated} if violated else {})}

    @harmless(None)
    def beat(self, run: JobRun) -> None:
        """Report which limits of time the run has passed since the last beat."""
        # A forked child holds its parent's run, too, and leaves it to its parent.
        if self._owed is not None and self._process == os.getpid():
            _report(run, self._owed.passed(*self._now()))

    @harmless(None)
    def end(self, run: JobRun, outcome: Outcome) -> None:
        """Report which rules of records and data the run, at its end, has violated.

        Code that reports no records at all has processed none: a loop over no rows counts nothing. Where only its steps
        report records, the number that the run has processed is unknown: what one step writes the next one reads. Nor
        is that of a command or an unchanged program, and a run that was skipped had nothing to process.
        """
        if self._owed is None:
            return
        counts = run.data.total()
        if counts.processed is None and counts.failed_in_steps is None and self.code_reports:
            counts = counts._replace(processed=0)
        if counts.failed is None and counts.processed is not None:
            counts = counts._replace(failed=counts.failed_in_steps)
        if outcome.status == "skipped":
            counts = counts._replace(processed=None)
        else:
            self._not_judged = not self._owed.can_be_judged_by(counts)
        _report(run, self._owed.ended(counts, time.time()))


def _report(run: JobRun, violations: Iterable[Violation]) -> None:
    for violation in violations:
        process = run.recorder
        if process is None:
            return
        attributes = {
            "batch.sla.violation": violation.type,
            "batch.sla.limit": float(violation.limit),
            "batch.sla.observed": float(violation.observed),
        }
        process.meter.add("batch.job.sla.violations", 1, {**run.labels, "violation_type": violation.type})
        body = f"{run._title()} violates its SLA: {violation.type} ({violation.text})"
        process.event("batch.sla.violated", body, {**run.identity, **attributes}, severity="WARN", context=run._context)
        # A beat may come a moment after the end.
        if run._span.is_recording():
            run._span.add_event("batch.sla.violated", attributes)


@harmless(None)
def _listed(path: str, job: str) -> CatalogueJob | None:
    if not path:
        return None
    from batchtel.catalogue import reader

    return reader.job(path, job)
