"""Which runs somebody wants to see."""

from __future__ import annotations

from dataclasses import dataclass

from batchtel_dashboards.history.run import Run
from batchtel_dashboards.stores import Wanted


@dataclass(frozen=True)
class Selection:
    """Runs that started within a time.

    Attributes:
        since: Unix time in seconds.
        until: Unix time in seconds.
        job: name of the job; None for all.
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
        return Wanted(event=event, job=self.job, run_begins=self.run_begins)

    def matches(self, run: Run) -> bool:
        """Return whether a run is one of them."""
        one = run.identity
        return (
            self.since <= run.started <= self.until
            and (self.status is None or run.status == self.status)
            and (self.service is None or one.label == self.service)
            and (self.environment is None or one.environment == self.environment)
        )
