"""The SLA of one run, watched while the run is open: violations are reported at once.

Most jobs have no catalogue, so what reads and judges one is imported where there is one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from batchtel.base import pristine
from batchtel.base.guard import harmless
from batchtel.base.outcome import Outcome
from batchtel.runs.attempt import Attempt
from batchtel.runs.run_data import Data

if TYPE_CHECKING:
    from batchtel.catalogue.keys import CatalogueJob
    from batchtel.catalogue.sla import RunSla, Violation


class SlaWatch:
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
        self._has_begun = False
        self._not_judged = False
        self._started = 0.0
        self._process = os.getpid()

    @harmless(None)
    def begin(
        self, data: Data, job_type: str, started: float, scheduled: float | None, of_several: Attempt | None
    ) -> None:
        """Note what a run owes that has started at the Unix time `started`, once; further attempts go on with that."""
        if self._listed is None or self._has_begun:
            return
        from batchtel.catalogue.sla import BACKFILL, RunSla

        self._has_begun = True
        self._owed, self._started = (of_several and of_several.owed) or (
            RunSla.of(self._listed, started, scheduled, BACKFILL if self.makes_up else job_type),
            # By a clock that no one sets while the run lasts.
            pristine.perf_counter() - (pristine.time() - started),
        )
        if of_several is not None:
            of_several.owed = (self._owed, self._started)
        if self._owed is not None:
            data.minimum = self._owed.sla.min_records
            if self._owed.asks_for_data and self.shares:
                data.share()

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
        return pristine.perf_counter() - self._started, pristine.time()

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

    def newly_late(self) -> list[Violation]:
        """Return which limits of time the run has passed since the last call."""
        # A forked child holds its parent's run, too, and leaves it to its parent.
        if self._owed is None or self._process != os.getpid():
            return []
        return list(self._owed.passed(*self._now()))

    def ended(self, data: Data, outcome: Outcome) -> list[Violation]:
        """Return which rules of records and data the run, at its end, has violated.

        Code that reports no records at all has processed none: a loop over no rows counts nothing. Where only its steps
        report records, the number that the run has processed is unknown: what one step writes the next one reads. Nor
        is that of a command or an unchanged program, and a run that was skipped had nothing to process.
        """
        if self._owed is None:
            return []
        counts = data.total()
        if counts.processed is None and counts.failed_in_steps is None and self.code_reports:
            counts = counts._replace(processed=0)
        if counts.failed is None and counts.processed is not None:
            counts = counts._replace(failed=counts.failed_in_steps)
        if outcome.status == "skipped":
            counts = counts._replace(processed=None)
        else:
            self._not_judged = not self._owed.can_be_judged_by(counts)
        return list(self._owed.ended(counts, pristine.time()))


@harmless(None)
def _listed(path: str, job: str) -> CatalogueJob | None:
    if not path:
        return None
    from batchtel.catalogue import reader

    return reader.job(path, job)
