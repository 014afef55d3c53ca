"""The query API of Prometheus, which Mimir, Thanos and VictoriaMetrics have, too."""

from __future__ import annotations

from typing import Any

from batchtel_dashboards.stores.answers import Firing, Sample
from batchtel_dashboards.stores.client import Client


class Prometheus(Client):
    """The HTTP API of Prometheus."""

    product = "Prometheus"

    def query(self, promql: str) -> list[Sample]:
        """Return the answer to an instant query whose result is a vector."""
        rows = self.found("/api/v1/query", {"query": promql}, "data", "result")
        return [Sample(row["metric"], float(row["value"][1])) for row in rows]

    def value(self, promql: str) -> float:
        """Return the one value of an instant query's answer; 0 if it has none."""
        samples = self.query(promql)
        return samples[0].value if samples else 0.0

    def series(self, matcher: str) -> list[dict[str, str]]:
        """Return the label set of every series of the last hours, the name as `__name__`."""
        series: list[dict[str, str]] = self.found("/api/v1/series", {"match[]": matcher, "limit": 0}, "data")
        return series

    def firing(self) -> list[Firing]:
        """Return the alerts that fire now."""
        alerts: list[dict[str, Any]] = self.found("/api/v1/alerts", {}, "data", "alerts")
        return [
            Firing(one["labels"]["alertname"], one["labels"], one["annotations"])
            for one in alerts
            if one["state"] == "firing"
        ]

    def rules(self) -> dict[str, float]:
        """Return the recording rules that it evaluates: name -> seconds between two evaluations."""
        groups: list[dict[str, Any]] = self.found("/api/v1/rules", {"type": "record"}, "data", "groups")
        return {rule["name"]: float(group["interval"]) for group in groups for rule in group["rules"]}
