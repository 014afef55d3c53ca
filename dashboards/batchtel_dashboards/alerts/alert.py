"""What an alert is, and the part of the catalogue that its rules are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Literal, NamedTuple

from batchtel_dashboards.alerts.deadlines import Deadline
from batchtel_dashboards.engines import Engine

Severity = Literal["critical", "warning"]
"""Whether an alert wakes somebody, or waits for the next working day."""

PREFIX: Final = "Batch"
"""The beginning of every alert's name."""


class Condition(NamedTuple):
    """What one rule watches.

    Attributes:
        expr: PromQL; the alert fires for each series that it returns.
        labels: labels of the rule, beside those of the series.
        wait: for how long it has to hold before the alert fires, in seconds.
        description: instead of that of the alert, where one rule needs its own.
    """

    expr: str
    labels: Mapping[str, str] = {}
    wait: int = 0
    description: str = ""


class Alert(NamedTuple):
    """One alert.

    Attributes:
        name: begins with `Batch`.
        severity: whether it wakes somebody.
        meaning: one sentence for lists.
        summary: one line, a template of Prometheus.
        description: a sentence or two, a template of Prometheus with humanised values.
        conditions: the rules for a catalogue and an engine.
        keep: for how long it goes on firing after its condition has ended, in seconds: a flap is no second alert.
        by_absence: whether it can fire only because no metrics arrive; a collector that is down mutes it.
    """

    name: str
    severity: Severity
    meaning: str
    summary: str
    description: str
    conditions: Callable[[Jobs, Engine], Iterator[Condition]]
    keep: int = 0
    by_absence: bool = False


class Record(NamedTuple):
    """One recording rule that alerts read: the name that it records, its PromQL, and labels that it adds."""

    name: str
    expr: str
    labels: Mapping[str, str] = {}


class Job(NamedTuple):
    """One job of the catalogue, as far as alerts need it; durations in seconds.

    Attributes:
        name: of the job.
        owner: empty where the catalogue has none.
        team: empty where the catalogue has none.
        gap: the longest time between two due runs; None without a schedule, or where it is paused.
        max_duration: the longest time of a run; None where there is no limit.
        max_data_age: how old the newest data may be; None where there is no limit.
        deadline: by when it has to have succeeded; None where there is no deadline, or where it is paused.
    """

    name: str
    owner: str = ""
    team: str = ""
    gap: float | None = None
    max_duration: float | None = None
    max_data_age: float | None = None
    deadline: Deadline | None = None

    @property
    def whose(self) -> dict[str, str]:
        """The labels `owner` and `team`, where the catalogue has them."""
        return {key: text for key, text in (("owner", self.owner), ("team", self.team)) if text}


Jobs = tuple[Job, ...]
