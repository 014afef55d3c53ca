"""The page that lists runs, and what is meant by a part of an id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

from batchtel.schema import signals
from batchtel_dashboards.history.run import LOST, OPEN, RUNNING, Run
from batchtel_dashboards.history.selection import Selection, default_since
from batchtel_dashboards.history.text import MomentError, between
from batchtel_dashboards.web.sources import Part, Sources, part

MOST: Final = 200
"""Runs of one page."""


@dataclass(frozen=True)
class Filters:
    """Which runs are listed, as they were typed; empty texts select all."""

    job: str = ""
    status: str = ""
    since: str = ""
    until: str = ""
    run: str = ""
    service: str = ""
    environment: str = ""


@dataclass(frozen=True)
class Runs:
    """All that the page shows; `wrong` is what is wrong with the filters."""

    filters: Filters
    runs: Part[Sequence[Run]]
    wrong: str
    now: float

    most = MOST

    @property
    def since(self) -> str:
        """Since when runs are listed."""
        return self.filters.since or default_since(self.filters.status)

    statuses = tuple(dict.fromkeys((RUNNING, *signals.STATUSES, LOST, OPEN)))

    @property
    def older(self) -> dict[str, str]:
        """The filters of older runs; none if all are there."""
        runs = self.runs.content or ()
        if len(runs) < MOST:
            return {}
        # To the microsecond: the last of this page is the first of the next one, and none is left out.
        return asdict(self.filters) | {"until": datetime.fromtimestamp(runs[-1].started, UTC).isoformat()}

    @property
    def refreshes(self) -> bool:
        """Whether one of them is live."""
        return any(run.status == "running" for run in self.runs.content or ())


def runs(sources: Sources, filters: Filters, now: float) -> Runs:
    """Return the newest runs that filters select, at most MOST."""
    try:
        since, until = between(filters.since.strip() or default_since(filters.status), filters.until.strip(), now)
    except MomentError as error:
        return Runs(filters, Part([]), str(error), now)
    if filters.status not in ("", *Runs.statuses):
        return Runs(filters, Part([]), f"status {filters.status!r} is none of {', '.join(Runs.statuses)}", now)
    selection = Selection(
        since,
        until,
        filters.job.strip() or None,
        filters.run.strip() or None,
        filters.status or None,
        filters.service or None,
        filters.environment or None,
    )
    return Runs(filters, part(lambda: sources.history.runs(selection, MOST)), "", now)
