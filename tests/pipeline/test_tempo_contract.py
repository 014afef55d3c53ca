"""What leaves the collector for Tempo, held against the limits that were measured on Tempo 2.9. It is not built here.

Tempo cuts texts of attributes at `max_attribute_bytes` without a sign, and keeps a part of a trace that is above
`max_bytes_per_trace`: that one is a setting of Tempo's, whose counter `batchtel doctor` reads.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.pipeline import detail
from tests.pipeline.bench import Bench
from tests.pipeline.conftest import Start
from tests.support import otlp
from tests.support.file_sink import lines
from tests.support.polling import until

NAMESPACE: Final = "tempo"
ATTRIBUTE: Final = 16_384
"""Bytes of an attribute's text: the value for `max_attribute_bytes` in docs/environments.md."""

REQUEST: Final = 4 * 2**20
"""Bytes of a gRPC message that Tempo accepts unless it is configured otherwise."""


@pytest.fixture(scope="module")
def bench(start: Start) -> Iterator[Bench]:
    """The collector of the environment `local`, with Loki and Tempo as its stores."""
    with start() as running:
        yield running


def _span(trace: str, number: int, size: int) -> dict[str, Any]:
    times = {"startTimeUnixNano": "{now-1}", "endTimeUnixNano": "{now}"}
    ids = {"traceId": trace, "spanId": f"{number + 1:016x}"}
    return {"name": f"{trace[0]} {number}", **ids, **times, "attributes": {"text": "x" * size}}


def _send(bench: Bench, items: list[dict[str, Any]], resource: dict[str, str] | None = None) -> None:
    described = {"service.name": "etl", "service.namespace": NAMESPACE, **(resource or {})}
    body = otlp.expand(otlp.request(described, {}, "spans", items), int(time.time()), 0, NAMESPACE)
    assert bench.send(body)[0] == 200


def _spans(bench: Bench, prefix: str, count: int) -> list[dict[str, Any]]:
    def arrived() -> list[dict[str, Any]] | None:
        found = [one for one in detail.spans(bench.sink.spans, NAMESPACE) if one["name"].startswith(prefix)]
        return found if len(found) >= count else None

    return until(f"{count} spans of {prefix}", arrived, 60, bench.program.tail)


def test_an_attribute_over_the_limit(bench: Bench) -> None:
    """Of a span, of an event and of a resource: cut to what Tempo keeps; the span has a mark."""
    event = {"name": "exception", "attributes": {"exception.stacktrace": "s" * 3_000_000}}
    _send(bench, [_span("a" * 32, 0, 4_000_000) | {"events": [event]}], {"host.name": "h" * 100_000})
    (span,) = _spans(bench, "a", 1)
    assert span["attributes"] == {"text": "x" * ATTRIBUTE, "batch.truncated": "true"}
    assert span["resource"]["host.name"] == "h" * ATTRIBUTE
    (line,) = [line for line in lines(bench.sink.spans) if '"name":"a 0"' in line]
    assert "s" * ATTRIBUTE in line
    assert "s" * (ATTRIBUTE + 1) not in line


def test_a_large_trace(bench: Bench) -> None:
    """A trace of 3 MB in ten requests leaves whole, in requests that Tempo accepts, and so does a small one."""
    huge, small = "b" * 32, "c" * 32
    for batch in range(10):
        _send(bench, [_span(huge, batch * 20 + number, 15_000) for number in range(20)])
        _send(bench, [_span(small, batch, 1000)])
    assert len(_spans(bench, "c", 10)) == 10
    assert len(_spans(bench, "b", 200)) == 200
    requests = [json.loads(line) for line in lines(bench.sink.spans)]
    assert max(len(json.dumps(request)) for request in requests) < REQUEST
