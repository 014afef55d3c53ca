"""VictoriaLogs: log records by LogsQL, one JSON object a line.

https://docs.victoriametrics.com/victorialogs/querying/; measured on VictoriaLogs 1.52.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from batchtel_dashboards.stores.answers import Record
from batchtel_dashboards.stores.client import Client, quoted
from batchtel_dashboards.stores.interfaces import Wanted

LIMIT: Final = 100_000
"""Log records of one answer. VictoriaLogs itself has no limit; here it bounds memory."""

_PATH: Final = "/select/logsql/query"


class VictoriaLogs(Client):
    """The HTTP API of VictoriaLogs, as a store of `interfaces.Logs`."""

    product = "VictoriaLogs"

    def records(self, wanted: Wanted, start: float, end: float) -> list[Record]:
        """Return the log records between two Unix times in seconds, oldest first; at most `LIMIT` - 1."""
        query = logsql(wanted)
        records = self._found(query, start, end, LIMIT)
        self.require_whole(query, len(records), LIMIT)
        return sorted(records, key=lambda record: record.time)

    def newest(self, wanted: Wanted, start: float, end: float, limit: int, only: Collection[str] = ()) -> list[Record]:
        """Return the newest log records between two Unix times in seconds, newest first, at most `limit`."""
        fields = f" | fields {', '.join(map(quoted, ('_time', '_msg', *only)))}" if only else ""
        # Whole records are read page by page: those of one nanosecond need an order, too.
        order = "_time desc" if only else "_time desc, _msg desc"
        records = self._found(f"{logsql(wanted)} | sort by ({order}) limit {limit}{fields}", start, end, limit)
        return sorted(records, key=lambda record: record.time, reverse=True)

    def _found(self, query: str, start: float, end: float, limit: int) -> list[Record]:
        body = self.get(_PATH, {"query": query, "start": int(start * 1e9), "end": int(end * 1e9), "limit": limit})
        if body is None:
            raise self.another("404", _PATH)
        rows = [self.parsed(line, _PATH) for line in body.splitlines()]
        try:
            return [_record(row) for row in rows]
        except (KeyError, TypeError):
            raise self.another("unexpected JSON", _PATH) from None


def logsql(wanted: Wanted) -> str:
    """Return the query in LogsQL: the stream first, then exact filters on fields."""
    stream = {"service.name": wanted.service, "batch.job.name": wanted.job}
    selector = ", ".join(f"{quoted(key)}={quoted(text)}" for key, text in stream.items() if text is not None)
    if wanted.job_begins is not None:
        begins = f'"batch.job.name"=~{quoted("^" + re.escape(wanted.job_begins) + ".*")}'
        selector = f"{selector}, {begins}" if selector else begins
    equal = {"event_name": wanted.event, "batch.run.id": wanted.run_id, "batch.status": wanted.status}
    equal["severity_text"] = wanted.severity
    filters = [f"{quoted(key)}:={quoted(text)}" for key, text in equal.items() if text is not None]
    if wanted.run_begins is not None:
        filters.append(f'"batch.run.id":={quoted(wanted.run_begins)}*')
    filters += [f'-"event_name":={quoted(event)}' for event in wanted.but]
    if wanted.text is not None:
        filters.append(f"_msg:~{quoted('(?i)' + re.escape(wanted.text))}")
    return " ".join([f"{{{selector}}}"] * bool(selector) + filters) or "*"


def _record(row: dict[str, Any]) -> Record:
    fields = {key: text for key, text in row.items() if not key.startswith("_")}
    return Record(_nanoseconds(row["_time"]), row.get("_msg", ""), fields)


def _nanoseconds(text: str) -> int:
    """Return Unix nanoseconds of RFC 3339 in UTC with up to nine digits, of which datetime reads six."""
    seconds, _, fraction = text.rstrip("Z").partition(".")
    return int(datetime.fromisoformat(f"{seconds}+00:00").timestamp()) * 10**9 + int(fraction.ljust(9, "0"))
