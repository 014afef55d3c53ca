"""Which runs somebody wants to see."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from batchtel.schema.limits import HASH_LENGTH, NAME_LIMIT
from batchtel_dashboards.history.run import OPEN, RUNNING, Run
from batchtel_dashboards.stores import Wanted

LISTED: Final = 35 * 86400.0
"""Seconds that the runs of a job are listed for."""


@dataclass(frozen=True)
class Selection:
    """Runs that started or ended within a time.

    One that has not ended is there from its start on; what failed within the last hour may have started long before.

    Attributes:
        since: Unix time in seconds.
        until: Unix time in seconds.
        job: name of the job, whole or as the label of metrics has it; None for all.
        run_begins: what the id of the run begins with; None for all.
        status: status of the last attempt; None for all.
        service: as the label `job` of metrics has it, `<namespace>/<name>`; None for all.
        environment: None for all.
    """

    since: float
    until: float
    job: str | None = None
    run_begins: str | None = None
    status: str | None = None
    service: str | None = None
    environment: str | None = None

    def wanted(self, event: str) -> Wanted:
        """Return what a store of logs has to look for; status is not in it, because the last attempt decides."""
        begins = _beginning(self.job) if self.job is not None else None
        job = self.job if begins is None else None
        return Wanted(event=event, job=job, job_begins=begins, run_begins=self.run_begins)

    def matches(self, run: Run) -> bool:
        """Return whether a run is one of them."""
        one = run.identity
        return (
            run.started <= self.until
            and (run.last.end or run.started) >= self.since
            and self.job in (None, one.job, one.job_label)
            and (self.status is None or run.status == self.status)
            and (self.service is None or one.label == self.service)
            and (self.environment is None or one.environment == self.environment)
        )


def default_since(status: str | None) -> str:
    """Return since when runs are listed if no time is given: one that runs may have started long ago."""
    return "35d" if status in (RUNNING, OPEN) else "24h"


def _beginning(name: str) -> str | None:
    """Return what the whole name begins with if this can be a label that was cut, else None."""
    mark = re.search(rf"-[0-9a-f]{{{HASH_LENGTH}}}$", name)
    # Of a letter that would not fit whole nothing is left, and no spaces before the mark.
    return name[: mark.start()] if mark is not None and len(name.encode()) > NAME_LIMIT // 2 else None
