"""What Grafana puts in for the variables of a board, so that its queries can be parsed and run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

CHART: Final = {"__rate_interval": "5m", "__interval": "5m", "__interval_ms": "300000"}
"""Variables of Grafana itself, for a chart with 5 minutes between two points."""

ALL: Final = {
    **dict.fromkeys(("environment", "service", "airflow", "job", "step"), ".*"),
    "objective": "0.99",
    "service_name": "(etl|load)",
}
"""The variables of a board on which a reader has chosen nothing."""


def substituted(text: str, values: Mapping[str, str] = ALL) -> str:
    """Return a query with the values of its variables; KeyError if there is none for one."""
    existing = {**CHART, **values}
    # $1 is a group of label_replace().
    return re.sub(r"\$\{?([a-z_]\w*)(?::\w+)?\}?", lambda found: existing[found[1]], text)


def queries(board: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Return the title of a panel and PromQL of it, for every query that a board sends to Prometheus."""
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            if target["datasource"]["type"] == "prometheus":
                yield panel["title"], target["expr"]
