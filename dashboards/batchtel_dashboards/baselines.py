"""What jobs did before, in PromQL: recorded means of an hour, and the baseline that a job's own history gives.

Prometheus keeps the means as series of their own, because a query over four weeks of totals is slow. A mean is compared
with those of the same hour, of the same weekday in the last 4 weeks, or of the last 7 days where those are too few.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from batchtel_dashboards import panel_queries, queries
from batchtel_dashboards.engines import Engine

DURATION: Final = "batch_job_duration:mean1h"
"""Recorded: the mean duration of the successful attempts that ended within an hour, in seconds."""

RECORDS: Final = "batch_job_records_processed:mean3h"
"""Recorded: the records of a successful run, a mean of 3 hours, where a run succeeded within the last hour."""

LONGEST: Final = "batch_job_duration:longest4w"
"""Recorded: the baseline of DURATION, the greatest of the earlier means."""

FEWEST: Final = "batch_job_records_processed:fewest4w"
"""Recorded: the baseline of RECORDS, the least of the earlier means."""

ENOUGH: Final = 3
"""Weeks, or days, that have to have a mean: with fewer there is no baseline."""

_AROUND: Final = 6
"""Hours around the same hour: from 4 before, for runs that last as long, to 2 after, for clock changes."""

_AFTER: Final = 2

_BY: Final = ", ".join(queries.WHO["job"])


def means(engine: Engine) -> Iterator[tuple[str, str]]:
    """Yield the name and PromQL of each recorded mean and baseline, in the order in which they are evaluated."""
    by = queries.WHO["job"]
    ended = {"status": "success"}
    yield DURATION, panel_queries.mean("batch.job.duration", "1h", by=by, labels=ended, engine=engine)
    records = queries.added("batch.job.records.processed", "3h", by=by, engine=engine)
    # Both of 3 hours: a run whose records were reported long before its end counts as a whole.
    runs, recent = (
        queries.added("batch.job.completions", window, by=by, labels=ended, engine=engine) for window in ("3h", "1h")
    )
    yield RECORDS, f"(({records}) > 0) / (({runs}) > 0) and ({recent}) > 0"
    yield LONGEST, _baseline(DURATION, "max")
    yield FEWEST, _baseline(RECORDS, "min")


def _baseline(mean: str, extreme: Literal["max", "min"]) -> str:
    weeks, days = (_earlier(mean, extreme, step, count) for step, count in ((7 * 24, 4), (24, 7)))
    of_weeks, of_days = (
        f"({extreme} by ({_BY}) ({means}) and count by ({_BY}) ({means}) >= {ENOUGH})" for means in (weeks, days)
    )
    # Without a mean of last week a first Sunday would be compared with working days.
    last_week = f"max by ({_BY}) ({_earlier(mean, extreme, 7 * 24, 1)})"
    return f"{of_weeks} or ({of_days} and {last_week})"


def _earlier(mean: str, extreme: str, hours: int, count: int) -> str:
    """Return PromQL of the extreme of a mean around the same hour, so many hours ago, twice that and so on."""
    looks = (f"{extreme}_over_time({mean}[{_AROUND}h] offset {hours * one - _AFTER}h)" for one in range(1, count + 1))
    return " or ".join(f'label_replace({look}, "ago", "{one}", "", "")' for one, look in enumerate(looks, start=1))
