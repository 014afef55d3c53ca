"""One item that is larger than a queue accepts: it is cut and marked, and of its request nothing else is lost.

A queue that splits by bytes drops the rest of an acknowledged request with such an item, and counts nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import pytest

from tests.pipeline import detail
from tests.pipeline.bench import Bench
from tests.pipeline.conftest import Start
from tests.support import otlp
from tests.support.polling import until

TRUNCATED: Final = ("batch.truncated", "true")

MANY: Final[list[Mapping[str, Any]]] = [{"stringValue": "x" * 100} for _ in range(30_000)]

SPANS: Final[dict[str, Mapping[str, Any]]] = {
    "128 long exceptions": {
        "events": [
            {
                "name": "exception",
                "attributes": {"exception.message": "v" * 12_000, "exception.stacktrace": "v" * 12_000},
            }
            for _ in range(128)
        ]
    },
    "5,000 events": {"events": [{"name": "retry", "attributes": {"reason": "r" * 1000}} for _ in range(5000)]},
    "a name": {"name": "n" * 3_000_000},
    "a status": {"status": {"code": 2, "message": "m" * 3_000_000}},
    "a state": {"traceState": "a=" + "x" * 3_000_000},
    "a text": {"attributes": {"text": "x" * 3_000_000}},
    "a name of an attribute": {"attributes": {"n" * 3_000_000: "x"}},
    "a list": {"attributes": [{"key": "list", "value": {"arrayValue": {"values": MANY}}}]},
    "a name of an event": {"events": [{"name": "e" * 3_000_000}]},
    "40,000 events": {"events": [{"name": f"event {number}"} for number in range(40_000)]},
    "1,500 events with long names of attributes": {
        "events": [{"name": "retry", "attributes": {"\u65e5" * 250: "x", "\u672c" * 250: "y"}} for _ in range(1500)]
    },
    "a text of a link": {"links": [{"traceId": "7" * 32, "spanId": "7" * 16, "attributes": {"text": "x" * 3_000_000}}]},
}
"""Kind -> fields of the span."""

IN_EVENTS: Final = (
    "128 long exceptions",
    "5,000 events",
    "1,500 events with long names of attributes",
    "a name of an event",
)
"""Kinds of which the events have the mark."""

RECORDS: Final[dict[str, Mapping[str, Any]]] = {
    "a line": {"body": {"stringValue": "\u65e5" * 1_000_000}},
    "a list as body": {"body": {"arrayValue": {"values": MANY}}},
    "a text": {"attributes": {"text": "\u65e5" * 1_000_000}},
    "a name of an attribute": {"attributes": {"n" * 3_000_000: "x"}},
    "a severity": {"severityText": "s" * 3_000_000},
    "a name of an event": {"eventName": "e" * 3_000_000},
}
"""Kind -> fields of the log record."""


@pytest.fixture(scope="module")
def bench(start: Start) -> Iterator[Bench]:
    """A collector with stores of logs and traces."""
    with start() as running:
        yield running


def _send(bench: Bench, namespace: str, signal: str, items: Sequence[Mapping[str, Any]], **request: Any) -> None:
    resource = {"service.name": "etl", "service.namespace": namespace, **request.get("resource", {})}
    body = otlp.request(resource, request.get("scope", {}), signal, list(items))
    assert bench.send(otlp.expand(body, bench.now, 0, namespace), otlp.JSON)[0] == 200


def _span(number: int) -> dict[str, Any]:
    ids = {"traceId": "5" * 32, "spanId": f"{number + 1:016x}"}
    return {"name": f"span {number}", **ids, "startTimeUnixNano": "{now}", "endTimeUnixNano": "{now}"}


def _spans(bench: Bench, namespace: str, count: int) -> list[dict[str, Any]]:
    def arrived() -> list[dict[str, Any]] | None:
        found = detail.spans(bench.sink.spans, namespace)
        return found if len(found) >= count else None

    return until(f"{count} spans of {namespace}", arrived, 60, bench.program.tail)


def _records(bench: Bench, namespace: str, count: int) -> list[dict[str, Any]]:
    def arrived() -> list[dict[str, Any]] | None:
        found = detail.logs(bench.sink.logs, namespace, bench.now)
        return found if len(found) >= count else None

    return until(f"{count} records of {namespace}", arrived, 60, bench.program.tail)


@pytest.mark.parametrize("kind", SPANS)
def test_a_span(bench: Bench, kind: str) -> None:
    """It arrives with all that is beside it, and has the mark of a cut: the attributes of links are not."""
    namespace = f"span {kind}"
    items = [_span(number) for number in range(22)]
    items[11] |= SPANS[kind]
    _send(bench, namespace, "spans", items)
    spans = _spans(bench, namespace, 22)
    assert len(spans) == 22
    assert {span["name"] for span in spans} >= {f"span {number}" for number in range(22) if number != 11}
    marked = [span for span in spans if TRUNCATED in span["attributes"].items()]
    assert len(marked) == (0 if kind in (*IN_EVENTS, "a text of a link") else 1)
    events, dropped = detail.events(bench.sink.spans, namespace, f"{12:016x}")
    assert any(TRUNCATED in event["attributes"].items() for event in events) == (kind in IN_EVENTS)
    if kind == "40,000 events":
        assert (len(events), dropped) == (5000, 35_000)
        assert [events[number]["name"] for number in (0, 2499, 2500, -1)] == [
            "event 0",
            "event 2499",
            "event 37500",
            "event 39999",
        ]


def test_a_span_of_very_many_links(bench: Bench) -> None:
    """It is dropped alone, and counted."""
    items = [_span(number) for number in range(22)]
    items[11]["links"] = [{"traceId": "7" * 32, "spanId": "7" * 16}] * 60_000
    _send(bench, "many links", "spans", items)
    assert {span["name"] for span in _spans(bench, "many links", 21)} == {
        f"span {number}" for number in range(22) if number != 11
    }
    assert bench.telemetry().value("otelcol_processor_filter_spans_filtered") == 1


@pytest.mark.parametrize("kind", RECORDS)
def test_a_log_record(bench: Bench, kind: str) -> None:
    """It arrives with all that is beside it, in whole characters, and has the mark of a cut."""
    namespace = f"record {kind}"
    items: list[dict[str, Any]] = [{"body": {"stringValue": f"line {number}"}} for number in range(22)]
    items[11] |= RECORDS[kind]
    _send(bench, namespace, "logs", items)
    records = _records(bench, namespace, 22)
    assert len(records) == 22
    assert {record["body"] for record in records} >= {f"line {number}" for number in range(22) if number != 11}
    cut = [one for one in records if TRUNCATED in one["attributes"].items() or str(one["body"]).endswith("[truncated]")]
    assert len(cut) == 1
    assert "\N{REPLACEMENT CHARACTER}" not in str(cut)


@pytest.mark.parametrize("signal", ["spans", "logs"])
def test_what_describes_the_sender(bench: Bench, signal: str) -> None:
    """A resource and a scope that are too large cost no item."""
    namespace = f"sender of {signal}"
    resource = {"text": "x" * 3_000_000, "n" * 3_000_000: "x"}
    scope = {"name": "l" * 2_300_000, "version": "v" * 2_300_000, "attributes": {"text": "x" * 2_300_000}}
    if signal == "spans":
        _send(bench, namespace, signal, [_span(number) for number in range(22)], resource=resource)
        assert len(_spans(bench, namespace, 22)) == 22
        _send(bench, f"{namespace} 2", signal, [_span(number) for number in range(22)], scope=scope)
        assert len(_spans(bench, f"{namespace} 2", 22)) == 22
    else:
        items = [{"body": {"stringValue": f"line {number}"}} for number in range(22)]
        _send(bench, namespace, signal, items, resource=resource)
        assert len(_records(bench, namespace, 22)) == 22
        _send(bench, f"{namespace} 2", signal, items, scope=scope)
        assert len(_records(bench, f"{namespace} 2", 22)) == 22
