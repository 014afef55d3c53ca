"""Clients for the query APIs of Prometheus, Loki and Tempo.

Each asks one question and returns plain data. Every error is a Failure that says which store was asked, at which
address, and what it answered (exit code 3).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import urllib3

from batchtel.command import Failure

TIMEOUT: Final = 30.0
"""Seconds for one answer."""

LOKI_LIMIT: Final = 5000
"""Log records of one answer: Loki refuses to be asked for more unless it is configured otherwise."""

TEMPO_LIMIT: Final = 5000
"""Traces of one answer."""

Value = str | bool | int | float


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an instant query's answer, with its value."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Record:
    """One log record: Unix time in nanoseconds, its line, and its stream labels and structured metadata in one."""

    time: int
    line: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Span:
    """One span: 32 and 16 hexadecimal digits of ids ("" for no parent), Unix nanoseconds, and its attributes."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    start: int
    end: int
    attributes: Mapping[str, Value]


class _Store:
    """One store at `url`; `name` is what errors call it."""

    name: str

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._pool = urllib3.PoolManager(timeout=TIMEOUT, retries=False)

    def _get(self, path: str, fields: Mapping[str, object]) -> Any:
        texts = {key: str(value) for key, value in fields.items()}
        try:
            answer = self._pool.request("GET", self.url + path, fields=texts)
        except urllib3.exceptions.HTTPError as error:
            raise Failure(
                f"{self.name} does not answer at {self.url}{path}: {error}. Is it running? batchtel status", 3
            ) from error
        if answer.status == 404:
            return None
        if answer.status != 200:
            said = " ".join(answer.data.decode(errors="replace").split())[:500]
            asked = "; ".join(f"{key}={text}" for key, text in texts.items())
            raise Failure(f"{self.name} answers {answer.status} at {self.url}{path}: {said} (asked: {asked})", 3)
        try:
            return json.loads(answer.data)
        except ValueError as error:
            raise Failure(f"{self.name} answers something that is no JSON at {self.url}{path}: {error}", 3) from error

    def _found(self, path: str, fields: Mapping[str, object], *keys: str) -> Any:
        """Return what stands below `keys` in the answer."""
        content = self._get(path, fields)
        answer = "404" if content is None else "other JSON than it should"
        try:
            for key in keys:
                content = content[key]
        except (KeyError, TypeError):
            raise Failure(
                f"{self.name} answers {answer} at {self.url}{path}. Is this address that of {self.name}?", 3
            ) from None
        return content


class Prometheus(_Store):
    """The HTTP API of Prometheus."""

    name = "Prometheus"

    def query(self, promql: str) -> list[Sample]:
        """Return the answer to an instant query whose result is a vector."""
        rows = self._found("/api/v1/query", {"query": promql}, "data", "result")
        return [Sample(row["metric"], float(row["value"][1])) for row in rows]

    def value(self, promql: str) -> float:
        """Return the one value of an instant query's answer; 0 if it has none."""
        samples = self.query(promql)
        return samples[0].value if samples else 0.0

    def series(self, matcher: str) -> list[dict[str, str]]:
        """Return the label set of every series of the last hours, the name as `__name__`."""
        series: list[dict[str, str]] = self._found("/api/v1/series", {"match[]": matcher, "limit": 0}, "data")
        return series


class Loki(_Store):
    """The HTTP API of Loki."""

    name = "Loki"

    def records(self, logql: str, start: float, end: float) -> list[Record]:
        """Return the log records between two Unix times in seconds, oldest first.

        Raises:
            Failure: There are `LOKI_LIMIT` or more; part of an answer would read as the whole.
        """
        fields = {"query": logql, "start": int(start * 1e9), "end": int(end * 1e9), "limit": LOKI_LIMIT}
        streams = self._found("/loki/api/v1/query_range", fields | {"direction": "forward"}, "data", "result")
        records = [
            Record(int(time), line, stream["stream"]) for stream in streams for time, line, *_ in stream["values"]
        ]
        _require_whole(self.name, logql, len(records), LOKI_LIMIT)
        return sorted(records, key=lambda record: record.time)


class Tempo(_Store):
    """The HTTP API of Tempo."""

    name = "Tempo"

    def search(self, traceql: str, start: float, end: float) -> list[str]:
        """Return the ids of the traces that a query matches between two Unix times in seconds.

        The spans of a search are of no use: when those of a trace arrived in two parts, Tempo returns the part with
        more matches only (measured: 46 of 48 first steps). `trace` has them all.

        Raises:
            Failure: There are `TEMPO_LIMIT` traces or more; part of an answer would read as the whole.
        """
        fields = {"q": traceql, "start": int(start), "end": int(end) + 1, "limit": TEMPO_LIMIT}
        traces = self._found("/api/search", fields, "traces")
        _require_whole(self.name, traceql, len(traces), TEMPO_LIMIT)
        # A search drops leading zeros.
        return [trace["traceID"].zfill(32) for trace in traces]

    def trace(self, trace_id: str) -> list[Span]:
        """Return the spans of one trace by start; none if Tempo does not have it."""
        content = self._get(f"/api/traces/{quote(trace_id)}", {})
        if content is None:
            return []
        return sorted(map(_span, _spans(content)), key=lambda span: span.start)


def _spans(content: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for resource in content.get("batches") or content.get("resourceSpans") or []:
        for scope in resource.get("scopeSpans", []):
            yield from scope["spans"]


def _span(content: Mapping[str, Any]) -> Span:
    return Span(
        trace_id=_hexadecimal(content["traceId"]),
        span_id=_hexadecimal(content["spanId"]),
        parent_id=_hexadecimal(content.get("parentSpanId", "")),
        name=content["name"],
        start=int(content["startTimeUnixNano"]),
        end=int(content["endTimeUnixNano"]),
        attributes={row["key"]: _value(row["value"]) for row in content.get("attributes", [])},
    )


def _hexadecimal(base64_id: str) -> str:
    """Return an id as hexadecimal digits; in JSON Tempo writes it in base64."""
    return base64.b64decode(base64_id).hex()


def _value(content: Mapping[str, Any]) -> Value:
    ((kind, value),) = content.items() or [("stringValue", "")]
    if kind == "intValue":
        return int(value)  # JSON of protobuf writes 64-bit integers as text
    return value if isinstance(value, (str, bool, int, float)) else json.dumps(value)


def _require_whole(name: str, query: str, count: int, limit: int) -> None:
    if count >= limit:
        raise Failure(f"{name} has {limit} results or more for {query}; ask for a shorter time or for one run", 3)
