"""The kinds of panels about Airflow's own metrics, which the boards of a cluster and of its DAGs are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from batchtel_dashboards import airflow_queries
from batchtel_dashboards.boards.panels import TIME, Limits, Link, Panel, Query, Text, chart, single
from batchtel_dashboards.boards.variables import AIRFLOW
from batchtel_dashboards.engines import Engine

SHARES: Final = ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
"""Quantiles of a chart of durations, and their names in its legend."""

PROGRAMS: Final = {"scheduler": "scheduler", "dag_processor": "DAG processor", "triggerer": "triggerer"}
"""The programs of an Airflow that have heartbeats, and their names for people."""

TASKS: Final = Link(
    "Airflow tasks", f"/d/batch-airflow-tasks?${{environment:queryparam}}&${{service:queryparam}}&{TIME}"
)
PIPELINE: Final = Link("Pipeline health", f"/d/batch-pipeline?{TIME}")


def timer(text: Text, family: str, labels: Mapping[str, str], *, by: Sequence[str] = (), engine: Engine) -> Panel:
    """Return p50, p95 and p99 of a timer in seconds, over all that `by` does not keep apart."""
    who = "".join(f"{{{{{label}}}}} " for label in by)
    lines = [
        Query(airflow_queries.quantile(family, share, "$__interval", by=by, labels=labels, engine=engine), who + name)
        for share, name in SHARES
    ]
    how = f"{text.description} Airflow 3.0 to 3.2 send it over StatsD only."
    return chart(Text(text.title, how, text.links), "s", lines)


def gauge(
    engine: Engine,
    title: str,
    description: str,
    family: str,
    limits: Limits,
    *,
    unit: str = "none",
    program: airflow_queries.Program = "scheduler",
    by: Sequence[str] = (),
    width: int = 4,
) -> Panel:
    """Return the sum of a gauge over the selected Airflows, and over `by` of each."""
    text = Text(title, f"{description} No data while its {PROGRAMS[program]} has no heartbeats.", (TASKS,))
    query = f"sum ({airflow_queries.gauge(family, by=by, labels=AIRFLOW, program=program, engine=engine)})"
    return single(text, unit, query, limits, width=width)


def count(engine: Engine, title: str, description: str, family: str, limits: Limits) -> Panel:
    """Return how much a counter has grown within 24 hours."""
    query = airflow_queries.added(family, "1d", labels=AIRFLOW, engine=engine)
    return single(Text(title, description, (TASKS,)), "none", query, limits, decimals=0)


def per_minute(engine: Engine, title: str, description: str, family: str, label: str, *, width: int = 12) -> Panel:
    """Return how much a counter grows a minute, a line for each value of `label`."""
    query = airflow_queries.per_minute(family, by=(label,), labels=AIRFLOW, engine=engine)
    text = Text(title, description, (TASKS, PIPELINE))
    return chart(text, "cpm", [Query(query, f"{{{{{label}}}}}")], width=width)
