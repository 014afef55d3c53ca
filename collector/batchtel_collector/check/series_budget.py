"""The series of an environment: the most that one job can have, and whether the expected jobs fit below the limit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

from batchtel.schema import signals
from batchtel.schema.signals import Metric
from batchtel_collector.environment.model import Environment
from batchtel_collector.environment.sections import MetricRule
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
        sums: counters and histograms, and with `exact` maxima too, that one job has at most; each counts once against
            `series_limit`.
        series: what counters, histograms and maxima are in Prometheus, where each bucket is a series.
        steps: steps of a job in this computation.
        sums_of_step: sums that each of them has at most.
        airflow: whether Airflow's own metrics are among them.
        jobs: jobs that metrics distinguish, with `other`; None where any name is kept.
        others: sums of the user's own metrics, and of Airflow's, that do not carry the name of a job.
        limit: `series_limit`.
        limit_of_metric: the most of one metric; None with `stock`, which has no such limit and does not count maxima.
        largest: the metric of which one job has the most sums, and their number.
        largest_other: the same of metrics that do not carry the name of a job; None if there are none.
    """

    sums: int
    series: int
    steps: int
    sums_of_step: int
    airflow: bool
    jobs: int | None
    others: int
    limit: int
    limit_of_metric: int | None
    largest: tuple[str, int]
    largest_other: tuple[str, int] | None

    @property
    def room(self) -> int:
        """Jobs that fit below the limits."""
        room = max(0, self.limit - self.others) // self.sums
        return room if self.limit_of_metric is None else min(room, self.limit_of_metric // self.largest[1])

    @property
    def problem(self) -> str | None:
        """The message that the expected jobs do not fit, None if they do."""
        if self.jobs is None:
            return None
        needed = self.jobs * self.sums + self.others
        reasons, limits = [], [needed]
        if needed > self.limit:
            jobs = f"{self.jobs} jobs of up to {self.sums} {self._what} {self._with}"
            reasons.append(f"{jobs} need {needed}, more than {self.limit}")
        for text, most in self._metrics(self.jobs):
            # Where the limit for all series is large enough for the metric, too, that one reason is enough.
            if self.limit_of_metric is not None and most > self.limit_of_metric and 2 * most > needed:
                reasons.append(f"{text} {most}, more than {self.limit_of_metric}, the half that one metric may have")
                limits.append(2 * most)
        if not reasons:
            return None
        return f"series_limit: {'; '.join(reasons)}; write series_limit: {max(limits)}, or fewer jobs"

    def _metrics(self, jobs: int) -> Iterator[tuple[str, int]]:
        """Yield the beginning of a message about each of the largest metrics, and the number of its sums."""
        name, count = self.largest
        yield f"{jobs} jobs of up to {count} of {name} need", jobs * count
        if self.largest_other:
            yield f"{self.largest_other[0]} needs", self.largest_other[1]

    @property
    def text(self) -> str:
        """The most series of a job and the number of jobs that fit, as text."""
        return (
            f"a job has up to {self.sums} of {self.limit} {self._what} and {self.series} series {self._with}, "
            f"so there is room for {self.room} jobs"
        )

    @property
    def _what(self) -> str:
        return "sums" if self.limit_of_metric is None else "sums and maxima"

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
    is_exact = environment.aggregation == "exact"
    parts = [_Part.of(metric, expected.steps, is_exact) for metric in signals.METRICS]
    parts += [_Part.of_rule(name, rule) for name, rule in environment.metrics.items() if not rule.drop]
    if environment.airflow_metrics:
        parts += [
            _Part.of_airflow(family, expected.steps) for family in airflow_metrics.families("counter", "level", "timer")
        ]
    of_steps = [_Part.of(metric, 1, is_exact) for metric in signals.METRICS if "step_name" in metric.attributes]
    listed = len(environment.job_names) + 1 if environment.unknown_jobs == "other" else None
    counted = [part for part in parts if part.counts]
    others = [part for part in counted if not part.by_job]
    return Budget(
        sums=sum(part.count for part in counted if part.by_job),
        series=sum(part.count * part.series for part in parts if part.by_job),
        steps=expected.steps,
        sums_of_step=sum(part.count for part in of_steps if part.counts),
        airflow=environment.airflow_metrics,
        jobs=expected.jobs or listed,
        others=sum(part.count for part in others),
        limit=environment.series_limit,
        limit_of_metric=environment.limit_of_metric if is_exact else None,
        largest=max((part.largest for part in counted if part.by_job), key=itemgetter(1)),
        largest_other=max((part.largest for part in others), key=itemgetter(1), default=None),
    )


@dataclass(frozen=True)
class _Part:
    """One metric: label sets that one job has of it, or all jobs together, and series of each in Prometheus."""

    name: str
    count: int
    series: int
    counts: bool
    by_job: bool

    @property
    def largest(self) -> tuple[str, int]:
        return self.name, self.count

    @classmethod
    def of(cls, metric: Metric, steps: int, maxima_count: bool) -> _Part:
        series = len(metric.bounds) + _SUFFIXES if metric.bounds else 1
        counts = maxima_count or metric.kind != "maximum"
        return cls(metric.name, _combinations(metric, steps), series, counts, True)

    @classmethod
    def of_rule(cls, name: str, rule: MetricRule) -> _Part:
        return cls(name, _own(rule.labels, rule.values), 1, True, "job_name" in rule.labels)

    @classmethod
    def of_airflow(cls, family: str, steps: int) -> _Part:
        bounds = airflow_metrics.bounds(family) if family in airflow_metrics.families("timer") else ()
        labels = [label for label in airflow_metrics.labels(family) if label != airflow_metrics.ID]
        values = {"dag_id": 1, "task_id": steps, "state": AIRFLOW_STATES}
        count = math.prod(values.get(label, OPEN_VALUES) for label in labels)
        return cls(family, count, len(bounds) + _SUFFIXES if bounds else 1, True, "dag_id" in labels)


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
