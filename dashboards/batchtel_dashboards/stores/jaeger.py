"""Jaeger: traces by attributes and by id (https://www.jaegertracing.io/docs/latest/apis/); measured on Jaeger 1.76.

Its API v3 returns OTLP JSON, but does not filter by attributes over HTTP, so traces are searched by the API of its UI.
"""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import quote

from batchtel_dashboards.stores import otlp_json
from batchtel_dashboards.stores.answers import Span
from batchtel_dashboards.stores.client import Client
from batchtel_dashboards.stores.interfaces import Wanted

LIMIT: Final = 5000
"""Traces of one answer."""

_SEARCH: Final = "/api/traces"
_OURS: Final = ("batch_job.", "batch_step.")


class Jaeger(Client):
    """The HTTP API of Jaeger, as a store of `interfaces.Traces`."""

    product = "Jaeger"

    def find(self, wanted: Wanted, start: float, end: float) -> list[str]:
        """Return the ids of the traces with spans of wanted runs between two Unix times in seconds."""
        tags = {"batch.job.name": wanted.job, "batch.run.id": wanted.run_id}
        tags = {key: text for key, text in tags.items() if text is not None}
        fields = {"service": wanted.service, "start": int(start * 1e6), "end": int(end * 1e6), "limit": LIMIT}
        traces: list[dict[str, Any]] = self.found(_SEARCH, fields | {"tags": json.dumps(tags)}, "data") or []
        self.require_whole(f"{wanted.service} {tags}", len(traces), LIMIT)
        return [trace["traceID"].zfill(32) for trace in traces if _has_ours(trace)]

    def check(self) -> None:
        """Do nothing if it answers with its services."""
        self.found("/api/services", {}, "data")

    def address(self, trace_id: str) -> str:
        """Return the address of a trace, without credentials."""
        return f"{self.shown}/api/v3/traces/{quote(trace_id, safe='')}"

    def trace(self, trace_id: str) -> list[Span]:
        """Return the spans of one trace by start; none if Jaeger does not have it."""
        path = f"/api/v3/traces/{quote(trace_id, safe='')}"
        # Raw: otherwise Jaeger corrects the times of spans by an estimated clock skew.
        content = self.document(path, {"raw_traces": "true"})
        if content is None:
            return []
        try:
            return otlp_json.spans(content["result"].get("resourceSpans") or [])
        except (AttributeError, KeyError, TypeError, ValueError):
            raise self.another("unexpected JSON", path) from None


def _has_ours(trace: dict[str, Any]) -> bool:
    return any(span["operationName"].startswith(_OURS) for span in trace["spans"])
