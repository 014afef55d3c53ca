"""Charts of Airflow's own timers, which both boards about its metrics have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from batchtel_dashboards import airflow_queries
from batchtel_dashboards.boards.panels import Panel, Query, Text, chart

SHARES: Final = ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
"""Quantiles of a chart of durations, and their names in its legend."""


def timer(text: Text, family: str, labels: Mapping[str, str], *, by: Sequence[str] = ()) -> Panel:
    """Return p50, p95 and p99 of a timer in seconds, over all that `by` does not keep apart."""
    who = "".join(f"{{{{{label}}}}} " for label in by)
    lines = [
        Query(airflow_queries.quantile(family, share, "$__interval", by=by, labels=labels), who + name)
        for share, name in SHARES
    ]
    how = f"{text.description} Airflow 3.0 to 3.2 send it over StatsD only."
    return chart(Text(text.title, how, text.links), "s", lines)
