"""What the templates need of the table of Airflow's metrics, as OTTL conditions and lists."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from batchtel_collector import airflow_metrics
from batchtel_collector.airflow_metrics import FAMILY, ID, MAPPED, TAGS, Kind, Mapped
from batchtel_collector.quoting import any_of, ottl

__all__ = ["FAMILY", "ID", "MAPPED", "TAGS"]

FROM_STATSD: Final = 'scope.name == "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/statsdreceiver"'
"""Condition: the point comes from the StatsD receiver."""

TAG_KEYS: Final = tuple(
    dict.fromkeys(
        [name for row in MAPPED for name in row.variables] + [name for names in TAGS.values() for name in names]
    )
)
"""Keys that are read from tags in the Influx form, which the receiver leaves in the name."""

LABELS: Final = tuple(dict.fromkeys([ID, *(name for row in MAPPED for name in row.variables)]))
"""Every label of a family."""


def any_family(*kinds: Kind) -> str:
    """Write the condition that a metric is a family of one of `kinds`."""
    return any_of(airflow_metrics.families(*kinds), "metric.name")


def or_any(*kinds: Kind) -> str:
    """Write `any_family` as what follows another condition."""
    return f" or {any_family(*kinds)}"


def and_not_any(*kinds: Kind) -> str:
    """Write the opposite of `any_family` as what follows another condition."""
    return f" and not ({any_family(*kinds)})"


def named(row: Mapped) -> str:
    """Write the condition that a metric has the name of a row, whichever of the two."""
    conditions = [f"IsMatch(metric.name, {ottl(row.pattern)})" if row.pattern else any_of([row.name], "metric.name")]
    return " or ".join([*conditions, any_of([row.tagged], "metric.name")] if row.tagged else conditions)


def lacks_ids(row: Mapped) -> str:
    """Write the condition that a point lacks one of a row's ids."""
    return " or ".join(f"datapoint.attributes[{ottl(name)}] == nil" for name in row.variables)


def milliseconds(bounds: Sequence[float]) -> list[int]:
    """Return bounds in the unit of StatsD's timers."""
    return [round(bound * 1000) for bound in bounds]


def matcher(bounds: Sequence[float]) -> str:
    """Write the regular expression for the raw names, prefix and tags included, of all timers with these bounds."""
    rows = [row for row in MAPPED if row.kind == "timer" and airflow_metrics.bounds(row.prometheus_name) == bounds]
    names = [row.pattern.strip("^$") or row.name.replace(".", "[.]") for row in rows]
    names += [row.tagged.replace(".", "[.]") for row in rows if row.tagged]
    # RE2 takes a group's name once, so the groups lose theirs.
    return "^[^.]+[.](" + "|".join(re.sub(r"\(\?P<\w+>", "(", name) for name in names) + ")(,.*)?$"


def layouts() -> list[tuple[tuple[float, ...], list[str]]]:
    """Return bucket bounds in seconds with the families that have them."""
    families = airflow_metrics.families("timer")
    every = dict.fromkeys(map(airflow_metrics.bounds, families))
    return [(bounds, [family for family in families if airflow_metrics.bounds(family) == bounds]) for bounds in every]


def label_sets() -> list[tuple[tuple[str, ...], list[str]]]:
    """Return label sets with the families that have them."""
    families = airflow_metrics.families("counter", "gauge", "level", "timer")
    every = dict.fromkeys(map(airflow_metrics.labels, families))
    return [(labels, [family for family in families if airflow_metrics.labels(family) == labels]) for labels in every]
