"""Parts of the templates from the table of Airflow's metrics, as OTTL conditions and lists."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from batchtel_collector.render import airflow_metrics, quoting
from batchtel_collector.render.airflow_metrics import FAMILY, ID, MAPPED, OTLP_TAGS, TAGS, Kind, Mapped
from batchtel_collector.render.quoting import ottl

__all__ = ["FAMILY", "ID", "MAPPED", "OTLP_TAGS", "TAGS"]

FROM_STATSD: Final = 'scope.name == "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/statsdreceiver"'
"""Condition: the point comes from the StatsD receiver."""

SENT_BY_OTLP: Final = 'IsMatch(scope.name, "^airflow[.]([a-z_]+[.])*metrics[.]otel_logger$$")'
"""Condition: the point comes from Airflow by OTLP, from the scheduler's side or a task's, from 2.10 on."""

SCOPE: Final = "airflow/otlp"
"""Scope of what `SENT_BY_OTLP` was true for, as soon as it was asked once."""

FROM_OTLP: Final = f"scope.name == {ottl(SCOPE)}"
"""Condition: the point comes from Airflow by OTLP and is on its way through the transforms."""

IS_FAMILY: Final = f"HasPrefix(metric.name, {ottl(FAMILY)})"
"""Condition: a metric is a family of the table, behind filter/airflow, which lets no other of that name through."""

OTHER_FAMILY: Final = f"not {IS_FAMILY}"
"""Condition: a metric is none of Airflow's."""

TYPES: Final[dict[Kind, str]] = {
    "counter": "metric.type == METRIC_DATA_TYPE_SUM and metric.is_monotonic == true",
    "level": "metric.type == METRIC_DATA_TYPE_SUM and metric.is_monotonic == false"
    " and metric.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE",
    "gauge": "metric.type == METRIC_DATA_TYPE_GAUGE",
    "timer": "(metric.type == METRIC_DATA_TYPE_EXPONENTIAL_HISTOGRAM or metric.type == METRIC_DATA_TYPE_HISTOGRAM)",
}
"""Kind -> condition that a metric is of it, over OpenTelemetry. Up to 3.2 timers are gauges: of many the last one."""

STATSD_TYPES: Final[dict[Kind, str]] = {
    **TYPES,
    "level": "metric.type == METRIC_DATA_TYPE_SUM",
    "timer": "metric.type == METRIC_DATA_TYPE_HISTOGRAM",
}
"""The same over StatsD, where every counter is one that grows."""

TAG_KEYS: Final = tuple(
    dict.fromkeys(
        [name for row in MAPPED for name in row.variables] + [name for names in TAGS.values() for name in names]
    )
)
"""Keys that are read from tags in the Influx form, which the receiver leaves in the name."""

LABELS: Final = tuple(dict.fromkeys([ID, *(name for row in MAPPED for name in row.variables)]))
"""Every label of a family."""


def named(row: Mapped) -> str:
    """Write the condition that a metric has the name of a row, whichever of the two."""
    conditions = [f"IsMatch(metric.name, {ottl(row.pattern)})" if row.pattern else f"metric.name == {ottl(row.name)}"]
    return " or ".join([*conditions, f"metric.name == {ottl(row.tagged)}"] if row.tagged else conditions)


def lacks_any(names: Sequence[str]) -> str:
    """Write the condition that a point lacks one of these ids."""
    return " or ".join(f"datapoint.attributes[{ottl(name)}] == nil" for name in names)


def is_in(names: Sequence[str]) -> str:
    """Write the condition that a metric has one of these names."""
    return quoting.is_in("metric.name", names)


def levels() -> list[str]:
    """Return the families of levels."""
    return airflow_metrics.families("level")


def is_level() -> str:
    """Write the condition that a metric is a level that comes as a total which may fall."""
    return f"{is_in(levels())} and {TYPES['level']}"


def sources(statsd: bool) -> list[str]:
    """Return the conditions that a point is Airflow's own, with StatsD where the collector receives it."""
    return [FROM_OTLP, FROM_STATSD] if statsd else [FROM_OTLP]


def otlp_ids() -> dict[tuple[str, ...], list[str]]:
    """Return ids -> the names over OpenTelemetry that have to have them."""
    rows = [row for row in MAPPED if row.variables]
    return {
        ids: list(dict.fromkeys(row.otlp_name for row in rows if row.variables == ids))
        for ids in dict.fromkeys(row.variables for row in rows)
    }


def otlp_names(kind: Kind) -> tuple[list[str], dict[str, str]]:
    """Return the names over OpenTelemetry of one kind: those that make their family's name, and the others with it."""
    families = {row.otlp_name: row.prometheus_name for row in MAPPED if row.kind == kind}
    regular = [name for name, family in families.items() if FAMILY + re.sub("[.-]", "_", name) == family]
    return regular, {name: family for name, family in families.items() if name not in regular}


def milliseconds(bounds: Sequence[float]) -> list[int]:
    """Return bounds in the unit of StatsD's timers."""
    return [round(bound * 1000) for bound in bounds]


def matcher(bounds: Sequence[float]) -> str:
    """Write the regular expression for the raw names, prefix and tags included, of all timers with these bounds."""
    rows = [row for row in MAPPED if row.kind == "timer" and airflow_metrics.bounds(row.prometheus_name) == bounds]
    names = [row.pattern.strip("^$") or row.name.replace(".", "[.]") for row in rows]
    names += [row.tagged.replace(".", "[.]") for row in rows if row.tagged]
    # RE2 allows a group's name once, so the groups lose theirs.
    return "^[^.]+[.](" + "|".join(re.sub(r"\(\?P<\w+>", "(", name) for name in names) + ")(,.*)?$"


def layouts() -> list[tuple[tuple[float, ...], list[str]]]:
    """Return bucket bounds in seconds with the families that have them."""
    families = airflow_metrics.families("timer")
    every = dict.fromkeys(map(airflow_metrics.bounds, families))
    return [(bounds, [family for family in families if airflow_metrics.bounds(family) == bounds]) for bounds in every]


def label_sets() -> list[tuple[tuple[str, ...], list[str]]]:
    """Return label sets with the families that have them, but for those that have the Airflow's name only."""
    families = airflow_metrics.families("counter", "gauge", "level", "timer")
    every = dict.fromkeys(labels for labels in map(airflow_metrics.labels, families) if len(labels) > 1)
    return [(labels, [family for family in families if airflow_metrics.labels(family) == labels]) for labels in every]


def labelled() -> list[str]:
    """Return the families that have more labels than the Airflow's name."""
    return [family for _, families in label_sets() for family in families]
