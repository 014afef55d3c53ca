"""What the stores of a real stack answer to the queries of boards."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from batchtel_dashboards.boards import shipped
from batchtel_dashboards.stores import Jaeger, VictoriaLogs
from batchtel_stack.stack import Stack
from tests.support.boards import ALL, CHART, queries, substituted


def board(uid: str, aggregation: str = "exact") -> Any:
    """Return the JSON of a shipped board."""
    return json.loads(shipped.texts(aggregation)[uid])


def target(uid: str, title: str) -> Any:
    """Return the only query of a panel, as it is in the JSON of its board."""
    (panel,) = [panel for panel in board(uid)["panels"] if panel["title"] == title]
    (found,) = panel["targets"]
    return found


def columns(uid: str, title: str) -> list[str]:
    """Return the fields of log records that a table shows, without their time."""
    (panel,) = [panel for panel in board(uid)["panels"] if panel["title"] == title]
    (options,) = [one["options"] for one in panel["transformations"] if one["id"] == "filterFieldsByName"]
    return [name for name in options["include"]["names"] if name != "Time"]


@dataclass(frozen=True)
class Answers:
    """The stores of a stack.

    Attributes:
        stack: it runs.
        service: the service that a reader has chosen; a pattern.
        since: Unix time before everything that is looked for.
        later: seconds after now at which Prometheus evaluates queries.
        interval: time between two points of a chart, as a duration of PromQL.
    """

    stack: Stack
    service: str
    since: float
    later: float = 0.0
    interval: str = CHART["__interval"]

    def answer(self, query: str, **chosen: str) -> list[Mapping[str, Any]]:
        """Return the rows of Prometheus for a query of a board."""
        fields = {"query": self._text(query, chosen), "time": time.time() + self.later}
        rows: list[Mapping[str, Any]] = self.stack.stores.prometheus.found("/api/v1/query", fields, "data", "result")
        return rows

    def number(self, uid: str, title: str, query: int = 0, *, later: float | None = None, **chosen: str) -> float:
        """Return the one number of a query of a panel."""
        at = self if later is None else replace(self, later=later)
        (row,) = at.answer(_promql(uid, title)[query], **chosen)
        return float(row["value"][1])

    def line(self, uid: str, title: str, query: int = 0, **chosen: str) -> list[float]:
        """Return the points of the one line of a chart since the beginning, the last one not before now."""
        text = self._text(_promql(uid, title)[query], chosen)
        fields = {"query": text, "start": self.since, "end": time.time() + 5, "step": 5}
        rows = self.stack.stores.prometheus.found("/api/v1/query_range", fields, "data", "result")
        return [float(value) for row in rows for _, value in row["values"]]

    def logged(self, query: str, **chosen: str) -> list[dict[str, str]]:
        """Return the rows of VictoriaLogs for a query of a board."""
        (store,) = self.stack.stores.logs
        assert isinstance(store, VictoriaLogs)
        fields = {"query": self._text(query, chosen), "start": int(self.since * 1e9), "limit": 1000}
        body = store.get("/select/logsql/query", fields)
        return [json.loads(line) for line in (body or b"").splitlines()]

    def traces(self, service_name: str, tags: str, **chosen: str) -> list[str]:
        """Return the ids of the traces that Jaeger's search finds in a service, by its name without the namespace."""
        (store,) = self.stack.stores.traces
        assert isinstance(store, Jaeger)
        wanted = dict(parse_qsl(self._text(tags, chosen), separator=" "))
        fields = {"service": service_name, "start": int(self.since * 1e6), "end": int(time.time() * 1e6), "limit": 100}
        found = store.found("/api/traces", fields | {"tags": json.dumps(wanted)}, "data") or []
        return [trace["traceID"] for trace in found]

    @property
    def _own(self) -> Mapping[str, str]:
        return {"service": self.service, "__interval": self.interval, "__rate_interval": self.interval}

    def _text(self, query: str, chosen: Mapping[str, str]) -> str:
        return substituted(query, {**ALL, **self._own, **chosen})


def _promql(uid: str, title: str) -> Sequence[str]:
    return [text for name, text in queries(board(uid)) if name == title]
