"""The limits of a real Loki and a real Tempo: what fits into them, and what happens to the one thing that does not."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from urllib.parse import urlencode

import pytest

from batchtel_stack.doctor.limits import Discards
from batchtel_stack.stack import Stack
from batchtel_stack.stores import Loki, Record, Span, Tempo
from tests.pipeline import otlp
from tests.pipeline.polling import until
from tests.stack.altered import altered

RUNS = 200
LINES = 100
TRACE_LIMIT = 1_000_000
"""Bytes of one trace; the shipped limit is 50 times that."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack as it ships, but for traces of at most TRACE_LIMIT bytes."""
    change = ("max_bytes_per_trace: 50000000", f"max_bytes_per_trace: {TRACE_LIMIT}")
    with altered(tmp_path_factory.mktemp("limits"), {"tempo": change}) as running:
        yield running


def _send(stack: Stack, signal: str, items: list[dict[str, Any]], run: str) -> None:
    resource = {"service.name": "etl", "service.instance.id": run, "host.name": run, "k8s.pod.name": run}
    body = otlp.expand(otlp.request(resource, {}, signal, items), int(time.time()), 0, "")
    with closing(otlp.Sender(stack.ports.otlp_http)) as sender:
        answer = sender.send(otlp.path(body), otlp.encoded(body, otlp.JSON), otlp.JSON)
    assert answer[0] == 200, answer


def _lines(stack: Stack, query: str, count: int) -> list[Record]:
    loki, now = Loki(stack.loki), time.time()

    def arrived() -> list[Record] | None:
        found = loki.records(query, now - 3600, now + 3600)
        return found if len(found) >= count else None

    return until(f"{count} lines of {query} in Loki", arrived, 60)


def test_the_runs_of_one_job_are_one_stream(stack: Stack) -> None:
    """200 runs of a job at the same time, each with 100 lines, are one stream, and Loki takes every line."""
    discards = Discards({"Loki": stack.loki})

    def run(number: int) -> None:
        attributes = {"batch.job.name": "crowd", "batch.run.id": f"run-{number}"}
        _send(
            stack,
            "logs",
            [
                {
                    "timeUnixNano": "{now}",
                    "body": {"stringValue": f"line {line} " + "x" * 900},
                    "attributes": attributes,
                }
                for line in range(LINES)
            ],
            f"pod-{number}",
        )

    with ThreadPoolExecutor(RUNS) as threads:
        list(threads.map(run, range(RUNS)))
    counted = 'sum(count_over_time({service_name="etl",batch_job_name="crowd"}[1h]))'

    def total() -> bool | None:
        with urllib.request.urlopen(
            f"{stack.loki}/loki/api/v1/query?{urlencode({'query': counted})}", timeout=30
        ) as answer:
            result = json.load(answer)["data"]["result"]
        return True if result and int(result[0]["value"][1]) == RUNS * LINES else None

    until(f"{RUNS * LINES} lines in Loki", total, 90)
    matcher = urlencode({"match[]": '{batch_job_name="crowd"}'})
    with urllib.request.urlopen(f"{stack.loki}/loki/api/v1/series?{matcher}", timeout=30) as answer:
        assert json.load(answer)["data"] == [{"batch_job_name": "crowd", "service_name": "etl"}]
    one = _lines(stack, '{batch_job_name="crowd"} | batch_run_id="run-7"', LINES)
    assert {record.fields["service_instance_id"] for record in one} == {"pod-7"}
    assert list(discards.since()) == []


def test_a_line_over_the_limit(stack: Stack) -> None:
    """A line and metadata over Loki's limits arrive cut, with a mark, and Loki refuses nothing."""
    discards = Discards({"Loki": stack.loki})
    metadata = {f"attribute_{number}": "y" * 4000 for number in range(200)}
    attributes = {"batch.job.name": "large", "batch.run.id": "run-1", **metadata}
    _send(stack, "logs", [{"body": {"stringValue": "x" * 1_000_000}, "attributes": attributes}], "pod-1")
    (record,) = _lines(stack, '{batch_job_name="large"} | batch_run_id="run-1"', 1)
    assert (len(record.line), record.line[-14:]) == (200_014, "...[truncated]")
    assert record.fields["batch_truncated"] == "true"
    assert list(discards.since()) == []


def _span(trace: str, number: int, size: int) -> dict[str, Any]:
    times = {"startTimeUnixNano": "{now-1}", "endTimeUnixNano": "{now}"}
    ids = {"traceId": trace, "spanId": f"{number + 1:016x}"}
    return {"name": f"span {number}", **ids, **times, "attributes": {"text": "x" * size}}


def _trace(stack: Stack, trace: str, count: int) -> list[Span]:
    tempo = Tempo(stack.tempo)

    def arrived() -> list[Span] | None:
        found = tempo.trace(trace)
        return found if len(found) >= count else None

    return until(f"{count} spans of {trace} in Tempo", arrived, 60)


def test_an_attribute_over_the_limit(stack: Stack) -> None:
    """A span with an attribute of 4 MiB is in Tempo, its attribute cut and marked."""
    trace = "a" * 32
    _send(stack, "spans", [_span(trace, 0, 4_000_000)], "pod-1")
    (span,) = _trace(stack, trace, 1)
    assert span.attributes == {"text": "x" * 16384, "batch.truncated": "true"}


def test_a_trace_over_the_limit(stack: Stack) -> None:
    """Of a trace that is too large Tempo keeps a part and counts the rest, and every other trace arrives whole."""
    discards = Discards({"Tempo": stack.tempo})
    huge, small = "b" * 32, "c" * 32
    for batch in range(10):
        _send(stack, "spans", [_span(huge, batch * 20 + number, 15_000) for number in range(20)], "pod-1")
        _send(stack, "spans", [_span(small, batch, 1000)], "pod-1")
    assert len(_trace(stack, small, 10)) == 10
    (finding,) = until("Tempo to count what it threw away", lambda: list(discards.since()) or None, 30)
    assert finding.message.endswith("items: trace_too_large")
    kept = _trace(stack, huge, 1)
    assert sum(len(str(span.attributes["text"])) for span in kept) <= TRACE_LIMIT
