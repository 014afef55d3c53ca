"""Tempo: traces by TraceQL and by id (https://grafana.com/docs/tempo/latest/api_docs/); measured on Tempo 2.9."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from batchtel_dashboards.stores import otlp_json
from batchtel_dashboards.stores.answers import Span
from batchtel_dashboards.stores.client import Client, quoted
from batchtel_dashboards.stores.interfaces import Wanted

LIMIT: Final = 5000
"""Traces of one answer."""


class Tempo(Client):
    """The HTTP API of Tempo, as a store of `interfaces.Traces`."""

    product = "Tempo"

    def find(self, wanted: Wanted, start: float, end: float) -> list[str]:
        """Return the ids of the traces with spans of wanted runs between two Unix times in seconds.

        The spans in the answer of a search are incomplete: if those of a trace arrived in two parts, Tempo returns only
        the part with more matches (measured: 46 of 48 first steps). `trace` returns all.
        """
        query = traceql(wanted)
        fields = {"q": query, "start": int(start), "end": int(end) + 1, "limit": LIMIT}
        traces = self.found("/api/search", fields, "traces")
        self.require_whole(query, len(traces), LIMIT)
        # The answer of a search omits leading zeros.
        return [trace["traceID"].zfill(32) for trace in traces]

    def check(self) -> None:
        """Do nothing if it answers its echo (https://grafana.com/docs/tempo/latest/api_docs/#query-echo-endpoint)."""
        if self.get("/api/echo", {}) != b"echo":
            raise self.another("something else", "/api/echo")

    def address(self, trace_id: str) -> str:
        """Return the address of a trace, without credentials."""
        return f"{self.shown}/api/traces/{quote(trace_id, safe='')}"

    def trace(self, trace_id: str) -> list[Span]:
        """Return the spans of one trace by start; none if Tempo does not have it."""
        path = f"/api/traces/{quote(trace_id, safe='')}"
        content = self.document(path, {})
        if content is None:
            return []
        try:
            return otlp_json.spans(content.get("batches") or content.get("resourceSpans") or [])
        except (AttributeError, KeyError, TypeError, ValueError):
            raise self.another("unexpected JSON", path) from None


def traceql(wanted: Wanted) -> str:
    """Return the query in TraceQL: traces with job or step spans. `event` is ignored: spans have none."""
    conditions = [] if wanted.service is None else [f"resource.service.name = {quoted(wanted.service)}"]
    conditions.append('name =~ "batch_(job|step)[.].*"')
    for key, text in (("batch.job.name", wanted.job), ("batch.run.id", wanted.run_id)):
        if text is not None:
            conditions.append(f"span.{key} = {quoted(text)}")
    return f"{{ {' && '.join(conditions)} }}"
