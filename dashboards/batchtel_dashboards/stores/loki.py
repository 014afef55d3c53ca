"""Loki: log records by LogQL.

The formats were measured on Loki 3.7 and are those of https://grafana.com/docs/loki/latest/reference/loki-http-api/:
an answer is a list of streams, each with its labels and structured metadata together and pairs of nanoseconds and line.
"""

from __future__ import annotations

import re
from collections.abc import Collection
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

_EVERY: Final = 'service_name=~".+"'


class Loki(Client):
    """The HTTP API of Loki, as a store of `interfaces.Logs`."""

    product = "Loki"

    def records(self, wanted: Wanted, start: float, end: float) -> list[Record]:
        """Return the log records between two Unix times in seconds, oldest first; at most `LIMIT` - 1."""
        query = logql(wanted)
        records = self._found(query, int(start * 1e9), int(end * 1e9), LIMIT, "forward")
        self.require_whole(query, len(records), LIMIT)
        return sorted(records, key=lambda record: record.time)

    def newest(self, wanted: Wanted, start: float, end: float, limit: int, only: Collection[str] = ()) -> list[Record]:
        """Return the newest log records between two Unix times in seconds, newest first, at most `limit`.

        More than Loki returns at once are read page by page. `only` changes nothing: Loki returns whole records.
        """
        query, first, last = logql(wanted), int(start * 1e9), int(end * 1e9)
        records: list[Record] = []
        while len(records) < limit:
            size = min(limit - len(records), LIMIT)
            page = self._found(query, first, last, size, "backward")
            records += page
            if len(page) < size:
                break
            # `end` is exclusive. Records of the oldest nanosecond that did not fit on the page are left out.
            last = min(record.time for record in page)
        return sorted(records, key=lambda record: record.time, reverse=True)

    def _found(self, query: str, start: int, end: int, limit: int, direction: str) -> list[Record]:
        fields = {"query": query, "start": start, "end": end, "limit": limit, "direction": direction}
        streams = self.found("/loki/api/v1/query_range", fields, "data", "result")
        return [
            Record(int(time), line, {_NAMES.get(key, key): text for key, text in stream["stream"].items()})
            for stream in streams
            for time, line, *_ in stream["values"]
        ]


def logql(wanted: Wanted) -> str:
    """Return the query in LogQL: the stream first, then filters on structured metadata."""
    stream = {"service_name": wanted.service, "batch_job_name": wanted.job}
    selector = ", ".join(f"{key}={quoted(text)}" for key, text in stream.items() if text is not None)
    if wanted.job_begins is not None:
        begins = f"batch_job_name=~{quoted(re.escape(wanted.job_begins) + '.*')}"
        selector = f"{selector}, {begins}" if selector else begins
    equal = {"event_name": wanted.event, "batch_run_id": wanted.run_id, "batch_status": wanted.status}
    equal["severity_text"] = wanted.severity
    filters = [f"{key}={quoted(text)}" for key, text in equal.items() if text is not None]
    if wanted.run_begins is not None:
        filters.append(f"batch_run_id=~{quoted(re.escape(wanted.run_begins) + '.*')}")
    filters += [f"event_name!={quoted(event)}" for event in wanted.but]
    lines = "" if wanted.text is None else f" |~ {quoted('(?i)' + re.escape(wanted.text))}"
    # Loki refuses a selector without a matcher, and one that matches streams without any label.
    return f"{{{selector or _EVERY}}}" + lines + "".join(f" | {one}" for one in filters)
