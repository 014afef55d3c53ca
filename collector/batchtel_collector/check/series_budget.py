"""The series of an environment: the most that one job can have, and whether the expected jobs fit below the limit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from batchtel.schema import signals
from batchtel.schema.signals import Metric
from batchtel_collector.environment.model import Environment
from batchtel_collector.render import airflow_metrics

AIRFLOW_STATES: Final = 14
"""States of a task that Airflow counts: those of TaskInstanceState, and None."""

OPEN_VALUES: Final = 10
"""Values that a label without a list of them counts with, such as error_type."""

_SUFFIXES: Final = 3
"""Series of a histogram beside those of its bounds: the bucket +Inf, count and sum."""


@dataclass(frozen=True)
class Budget:
    """The number of series of an environment.

    Attributes:
        sums: counters and histograms that one job has at most; each counts once against `series_limit`.
        series: what they and the maxima are in Prometheus, where each bucket is a series.
        steps: steps of a job in this computation.
        sums_of_step: sums that each of them has at most.
        airflow: whether Airflow's own metrics are among them.
        jobs: jobs that metrics distinguish, with `other`; None where any name is kept.
        others: sums of the user's own metrics, and of Airflow's, that do not carry the name of a job.
        limit: `series_limit`.
    """

    sums: int
    series: int
    steps: int
    sums_of_step: int
    airflow: bool
    jobs: int | None
    others: int
    limit: int

    @property
    def room(self) -> int:
        """Jobs that fit below the limit."""
        return max(0, self.limit - self.others) // self.sums

    @property
    def problem(self) -> str | None:
        """The message that the expected jobs do not fit, None if they do."""
        if self.jobs is None or self.jobs <= self.room:
            return None
        needed = self.jobs * self.sums + self.others
        return (
            f"series_limit: {self.jobs} jobs of up to {self.sums} sums {self._with} need {needed}, more than "
            f"{self.limit}; write series_limit: {needed}, or fewer jobs"
        )

    @property
    def text(self) -> str:
        """The most series of a job and the number of jobs that fit, as text."""
        return (
            f"a job has up to {self.sums} of {self.limit} sums and {self.series} series {self._with}, "
            f"so there is room for {self.room} jobs"
        )

    @property
    def _with(self) -> str:
        airflow = ", Airflow's own metrics" if self.airflow else ""
        return f"({self.steps} steps of up to {self.sums_of_step}{airflow})"

    def document(self) -> dict[str, int]:
        """Return the same for `--json`."""
        return {
            "sums_per_job": self.sums,
            "series_per_job": self.series,
            "steps_per_job": self.steps,
            "sums_per_step": self.sums_of_step,
            "series_limit": self.limit,
            "room_for_jobs": self.room,
        }


def budget(environment: Environment) -> Budget:
    """Compute the series of an environment from the tables of signals and of Airflow's metrics and its own rules."""
    expected = environment.expected
    own = [(_own(rule.labels, rule.values), "job_name" in rule.labels) for rule in environment.metrics.values()]
    parts = [_Part.of(metric, expected.steps) for metric in signals.METRICS]
    parts += [_Part(count, 1, True, by_job) for count, by_job in own]
    if environment.airflow_metrics:
        parts += [
            _Part.of_airflow(family, expected.steps) for family in airflow_metrics.families("counter", "level", "timer")
        ]
    of_steps = [_Part.of(metric, 1) for metric in signals.METRICS if "step_name" in metric.attributes]
    listed = len(environment.job_names) + 1 if environment.unknown_jobs == "other" else None
    return Budget(
        sums=sum(part.count for part in parts if part.is_sum and part.by_job),
        series=sum(part.count * part.series for part in parts if part.by_job),
        steps=expected.steps,
        sums_of_step=sum(part.count for part in of_steps if part.is_sum),
        airflow=environment.airflow_metrics,
        jobs=expected.jobs or listed,
        others=sum(part.count for part in parts if part.is_sum and not part.by_job),
        limit=environment.series_limit,
    )


@dataclass(frozen=True)
class _Part:
    """One metric: label sets that one job has of it, or all jobs together, and series of each in Prometheus."""

    count: int
    series: int
    is_sum: bool
    by_job: bool

    @classmethod
    def of(cls, metric: Metric, steps: int) -> _Part:
        series = len(metric.bounds) + _SUFFIXES if metric.bounds else 1
        return cls(_combinations(metric, steps), series, metric.kind != "maximum", True)

    @classmethod
    def of_airflow(cls, family: str, steps: int) -> _Part:
        bounds = airflow_metrics.bounds(family) if family in airflow_metrics.families("timer") else ()
        labels = [label for label in airflow_metrics.labels(family) if label != airflow_metrics.ID]
        values = {"dag_id": 1, "task_id": steps, "state": AIRFLOW_STATES}
        count = math.prod(values.get(label, OPEN_VALUES) for label in labels)
        return cls(count, len(bounds) + _SUFFIXES if bounds else 1, True, "dag_id" in labels)


def _combinations(metric: Metric, steps: int) -> int:
    """Return the label sets that one job, of one type, can have of a metric."""
    values = {
        "job_name": 1,
        "job_type": 1,
        "step_name": steps,
        **{row.key: len(row.values) for row in signals.ATTRIBUTES if row.values},
    }
    if "error_type" in metric.attributes:
        # Only failures have one, and they are one of the statuses.
        values |= {"status": len(signals.STATUSES) - 1 + OPEN_VALUES, "error_type": 1}
    return math.prod(values.get(label, OPEN_VALUES) for label in metric.attributes)


def _own(labels: list[str], values: dict[str, list[str]]) -> int:
    count = 1
    for label in labels:
        if label != "job_name":
            count *= len(values[label]) + 1 if label in values else OPEN_VALUES
    return count
