"""How many series an environment allows: what one job takes at most, and whether the known jobs have room."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from batchtel import signals
from batchtel.signals import Metric
from batchtel_collector.environment import Environment

STEPS: Final = 5
"""Steps that a job is reckoned with; nothing else tells how many there are."""

OPEN_VALUES: Final = 10
"""Values that a label without a list of them is reckoned with, such as error_type."""

_SUFFIXES: Final = 3
"""Series of a histogram beside those of its bounds: the bucket +Inf, count and sum."""


@dataclass(frozen=True)
class Budget:
    """What the series of an environment come to.

    Attributes:
        sums: counters and histograms that one job has at most; each counts once against `series_limit`.
        series: what they and the maxima are in Prometheus, where each bucket is a series.
        jobs: jobs that metrics tell apart, with `other`; None where any name is kept.
        others: sums of the user's own metrics that do not carry the name of a job.
        limit: `series_limit`.
    """

    sums: int
    series: int
    jobs: int | None
    others: int
    limit: int

    @property
    def room(self) -> int:
        """Jobs that fit below the limit."""
        return max(0, self.limit - self.others) // self.sums

    @property
    def problem(self) -> str | None:
        """What is wrong, when the known jobs do not fit."""
        if self.jobs is None or self.jobs <= self.room:
            return None
        needed = self.jobs * self.sums + self.others
        return (
            f"series_limit: {self.jobs} jobs (with `other`) of up to {self.sums} sums need {needed}, more than "
            f"{self.limit}; write series_limit: {needed}, or fewer jobs"
        )

    @property
    def text(self) -> str:
        """What a job takes and for how many there is room, in words."""
        return (
            f"a job takes up to {self.sums} of {self.limit} sums and {self.series} series, "
            f"so there is room for {self.room} jobs"
        )

    def document(self) -> dict[str, int]:
        """Return the same for `--json`."""
        return {
            "sums_per_job": self.sums,
            "series_per_job": self.series,
            "series_limit": self.limit,
            "room_for_jobs": self.room,
        }


def budget(environment: Environment) -> Budget:
    """Reckon up the series of an environment from the table of signals and its own rules."""
    per_job = [(_combinations(metric), metric) for metric in signals.METRICS]
    own = [(_own(rule.labels, rule.values), "job_name" in rule.labels) for rule in environment.metrics.values()]
    own_per_job = sum(count for count, by_job in own if by_job)
    return Budget(
        sums=sum(count for count, metric in per_job if metric.kind != "maximum") + own_per_job,
        series=sum(count * (len(metric.bounds) + _SUFFIXES if metric.bounds else 1) for count, metric in per_job)
        + own_per_job,
        jobs=len(environment.jobs) + 1 if environment.unknown_jobs == "other" else None,
        others=sum(count for count, by_job in own if not by_job),
        limit=environment.series_limit,
    )


def _combinations(metric: Metric) -> int:
    """Return the label sets that one job, of one type, can have of a metric."""
    known = {
        "job_name": 1,
        "job_type": 1,
        "step_name": STEPS,
        "status": len(signals.STATUSES),
        "state": len(signals.STATES),
        "violation_type": len(signals.VIOLATION_TYPES),
    }
    if "error_type" in metric.attributes:
        # Only failures have one, and they are one of the statuses.
        known |= {"status": len(signals.STATUSES) - 1 + OPEN_VALUES, "error_type": 1}
    return math.prod(known.get(label, OPEN_VALUES) for label in metric.attributes)


def _own(labels: list[str], values: dict[str, list[str]]) -> int:
    count = 1
    for label in labels:
        if label != "job_name":
            count *= len(values[label]) + 1 if label in values else OPEN_VALUES
    return count
