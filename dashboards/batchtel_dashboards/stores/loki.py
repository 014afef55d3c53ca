"""Loki: log records by LogQL.

The formats were measured on Loki 3.7 and are those of https://grafana.com/docs/loki/latest/reference/loki-http-api/:
an answer is a list of streams, each with its labels and structured metadata together and pairs of nanoseconds and line.
"""

from __future__ import annotations

from typing import Final

from batchtel.schema import signals
from batchtel_dashboards.stores.answers import Record
from batchtel_dashboards.stores.client import Client, quoted
from batchtel_dashboards.stores.interfaces import Wanted

LIMIT: Final = 5000
"""Log records of one answer: Loki refuses a query for more, unless it is configured otherwise."""

_KEYS: Final = (
    *(attribute.key for attribute in signals.ATTRIBUTES if not attribute.label),
    *("service.name", "service.namespace", "service.instance.id", "deployment.environment.name"),
    *("batch.clock.time", "batch.truncated", "log.iostream"),
)
_NAMES: Final = {key.replace(".", "_"): key for key in _KEYS}
"""Loki replaces every dot by an underscore; name in Loki -> name of the attribute. Others keep Loki's name."""


class Loki(Client):
    """The HTTP API of Loki, as a store of `interfaces.Logs`."""

    product = "Loki"

    def records(self, wanted: Wanted, start: float, end: float) -> list[Record]:
        """Return the log records between two Unix times in seconds, oldest first; at most `LIMIT` - 1."""
        query = logql(wanted)
        fields = {"query": query, "start": int(start * 1e9), "end": int(end * 1e9), "limit": LIMIT}
        streams = self.found("/loki/api/v1/query_range", fields | {"direction": "forward"}, "data", "result")
        records = [
            Record(int(time), line, {_NAMES.get(key, key): text for key, text in stream["stream"].items()})
            for stream in streams
            for time, line, *_ in stream["values"]
        ]
        self.require_whole(query, len(records), LIMIT)
        return sorted(records, key=lambda record: record.time)


def logql(wanted: Wanted) -> str:
    """Return the query in LogQL: the stream first, then filters on structured metadata."""
    stream = {"service_name": wanted.service} | ({"batch_job_name": wanted.job} if wanted.job is not None else {})
    selector = ", ".join(f"{key}={quoted(text)}" for key, text in stream.items())
    filters = {"event_name": wanted.event, "batch_run_id": wanted.run_id}
    return f"{{{selector}}}" + "".join(f" | {key}={quoted(text)}" for key, text in filters.items() if text is not None)
