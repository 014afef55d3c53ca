"""The limits of a real VictoriaLogs and a real Jaeger: what is larger is stored, cut and marked; nothing is dropped."""

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

from batchtel_dashboards.stores import Record, Span, Wanted
from batchtel_stack.doctor.limits import Discards
from batchtel_stack.ports import Ports
from batchtel_stack.stack import Stack
from tests.support import otlp
from tests.support.polling import until

RUNS = 200
LINES = 100


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack as it ships, but for its export interval."""
    with Stack.running(tmp_path_factory.mktemp("limits") / "stack", Ports.free(), export_interval="1s") as running:
        yield running


def _send(stack: Stack, signal: str, items: list[dict[str, Any]], run: str) -> None:
    resource = {"service.name": "etl", "service.instance.id": run, "host.name": run, "k8s.pod.name": run}
    body = otlp.expand(otlp.request(resource, {}, signal, items), int(time.time()), 0, "")
    with closing(otlp.Sender(stack.ports.otlp_http)) as sender:
        answer = sender.send(otlp.path(body), otlp.encoded(body, otlp.JSON), otlp.JSON)
    assert answer[0] == 200, answer


def _post(stack: Stack, request: dict[str, Any]) -> None:
    body = otlp.expand(request, int(time.time()), 0, "")
    with closing(otlp.Sender(stack.ports.otlp_http)) as sender:
        assert sender.send(otlp.path(body), otlp.encoded(body, otlp.JSON), otlp.JSON)[0] == 200


def _records(stack: Stack, job: str, count: int, run: str | None = None) -> list[Record]:
    (logs,), now = stack.stores.logs, time.time()

    def arrived() -> list[Record] | None:
        found = logs.records(Wanted("etl", job=job, run_id=run), now - 3600, now + 3600)
        return found if len(found) >= count else None

    return until(f"{count} log records of {job}", arrived, 90)


def _dropped(stack: Stack, before: Discards) -> list[str]:
    """Return what VictoriaLogs has counted, and what it has only written into its log."""
    log = (stack.data / "logs" / "victorialogs.log").read_text()
    ignored = [line for line in log.splitlines() if "ignoring" in line or "dropping" in line]
    return [finding.message for finding in before.since()] + ignored


def test_the_runs_of_one_job_are_one_stream(stack: Stack) -> None:
    """200 runs of a job at the same time, each with 100 lines, are one stream, and every line is stored."""
    before = Discards({"VictoriaLogs": stack.victorialogs})

    def run(number: int) -> None:
        attributes = {"batch.job.name": "crowd", "batch.run.id": f"run-{number}"}
        lines = [{"stringValue": f"line {line} " + "x" * 900} for line in range(LINES)]
        items = [{"timeUnixNano": "{now}", "body": line, "attributes": attributes} for line in lines]
        _send(stack, "logs", items, f"pod-{number}")

    with ThreadPoolExecutor(RUNS) as threads:
        list(threads.map(run, range(RUNS)))
    assert len(_records(stack, "crowd", RUNS * LINES)) == RUNS * LINES
    query = urlencode({"query": '{"batch.job.name"="crowd"}'})
    with urllib.request.urlopen(f"{stack.victorialogs}/select/logsql/streams?{query}", timeout=30) as answer:
        streams = [row["value"] for row in json.load(answer)["values"]]
    assert streams == ['{batch.job.name="crowd",service.name="etl"}']
    one = _records(stack, "crowd", LINES, run="run-7")
    assert {record.fields["service.instance.id"] for record in one} == {"pod-7"}
    assert _dropped(stack, before) == []


LARGE: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "a line": ({"stringValue": "x" * 3_000_000}, {}),
    "a map as body": (
        {"kvlistValue": {"values": [{"key": f"k{n}", "value": {"stringValue": "y" * 1000}} for n in range(1500)]}},
        {},
    ),
    "an attribute": ({"stringValue": "small"}, {"text": "z" * 3_000_000}),
    "many long attributes": ({"stringValue": "small"}, {f"a{n}": "z" * 20_000 for n in range(300)}),
    "many attributes": ({"stringValue": "small"}, {f"a{n}": "z" for n in range(1500)}),
    "a long name": ({"stringValue": "small"}, {"n" * 1000: "z"}),
    "a name of 128 bytes": ({"stringValue": "small"}, {"n" * 128: "z"}),
    "a long name in another script": ({"stringValue": "small"}, {"\u65e5" * 100: "z"}),
    "a name that ends in another script": ({"stringValue": "small"}, {"n" * 100 + "\U0001f600" * 20: "z"}),
    "names of the store's own": (
        {"stringValue": "small"},
        {"_msg": "z", "_time": "z", "_stream": "z", "_stream_id": "z"},
    ),
}


@pytest.mark.parametrize("kind", LARGE)
def test_a_record_over_a_limit(stack: Stack, kind: str) -> None:
    """What VictoriaLogs would drop whole, without a counter, arrives with its run id and the neighbour beside it."""
    before, (body, attributes) = Discards({"VictoriaLogs": stack.victorialogs}), LARGE[kind]
    job = kind.replace(" ", "_").replace("'", "")
    own = {"batch.job.name": job, "batch.run.id": "run-1"}
    neighbour = {"body": {"stringValue": "neighbour"}, "attributes": own}
    _send(stack, "logs", [{"body": body, "attributes": {**attributes, **own}}, neighbour], "pod-1")
    records = _records(stack, job, 2, run="run-1")
    assert len(records) == 2
    assert "neighbour" in [record.line for record in records]
    (large,) = [record for record in records if record.line != "neighbour"]
    if body["stringValue" if "stringValue" in body else "kvlistValue"] != "small":
        assert (len(large.line), large.line[-14:]) == (500_014, "...[truncated]")
    if kind != "names of the store's own":
        assert large.fields["batch.truncated"] == "true"
    assert _dropped(stack, before) == []


def test_maps_with_names_of_their_own(stack: Stack) -> None:
    """40 records, each with a map of 100 keys that no other has: all are stored, each map as the JSON of one field."""
    before = Discards({"VictoriaLogs": stack.victorialogs})
    items: list[dict[str, Any]] = []
    for record in range(40):
        rows = [{"key": f"id{record}_{key}", "value": {"intValue": str(key)}} for key in range(100)]
        attributes = [
            {"key": "batch.job.name", "value": {"stringValue": "maps"}},
            {"key": "batch.run.id", "value": {"stringValue": "run-1"}},
            {"key": "rows", "value": {"kvlistValue": {"values": rows}}},
        ]
        items.append({"body": {"stringValue": "a line"}, "attributes": attributes})
    _send(stack, "logs", items, "pod-1")
    records = _records(stack, "maps", 40)
    assert len(records) == 40
    assert {len(json.loads(record.fields["rows"])) for record in records} == {100}
    assert _dropped(stack, before) == []


SCOPES: dict[str, dict[str, Any]] = {
    "names": {"name": "l", "attributes": {"n" * 112: "x"}},
    "names in another script": {"name": "l", "attributes": {"\u65e5" * 60: "x", "n" * 90 + "\u65e5" * 20: "x"}},
    "attributes": {"name": "l", "attributes": {f"a{n}": "x" for n in range(1200)}},
    "texts": {"name": "l" * 2_000_000, "attributes": {"text": "x" * 2_000_000}},
}


@pytest.mark.parametrize("kind", SCOPES)
def test_a_library_over_a_limit(stack: Stack, kind: str) -> None:
    """A scope that VictoriaLogs would drop with all of its records costs none of them."""
    before, job = Discards({"VictoriaLogs": stack.victorialogs}), f"scope_{kind.replace(' ', '_')}"
    items = [{"body": {"stringValue": "a line"}, "attributes": {"batch.job.name": job}} for _ in range(3)]
    _post(stack, otlp.request({"service.name": "etl"}, SCOPES[kind], "logs", items))
    assert len(_records(stack, job, 3)) == 3
    assert _dropped(stack, before) == []


def test_a_service_over_a_limit(stack: Stack) -> None:
    """What streams are distinguished by is cut, and the records are there."""
    (logs,), now = stack.stores.logs, time.time()
    items = [{"body": {"stringValue": "a line"}, "attributes": {"batch.job.name": "j" * 200_000}}]
    _post(stack, otlp.request({"service.name": "s" * 200_000}, {}, "logs", items))
    until("the record", lambda: logs.records(Wanted("s" * 1000), now - 60, now + 600) or None, 60)


def _span(trace: str, number: int, size: int) -> dict[str, Any]:
    times = {"startTimeUnixNano": "{now-1}", "endTimeUnixNano": "{now}"}
    ids = {"traceId": trace, "spanId": f"{number + 1:016x}"}
    return {"name": f"span {number}", **ids, **times, "attributes": {"text": "x" * size}}


def _trace(stack: Stack, trace: str, count: int) -> list[Span]:
    (traces,) = stack.stores.traces

    def arrived() -> list[Span] | None:
        found = traces.trace(trace)
        return found if len(found) >= count else None

    return until(f"{count} spans of {trace}", arrived, 60)


MANY: list[dict[str, Any]] = [{"stringValue": "x" * 100} for _ in range(3000)]
LARGE_SPANS: dict[str, dict[str, Any]] = {
    "a text": {"attributes": {"text": "x" * 4_000_000}},
    "a name of an attribute": {"attributes": {"n" * 70_000: "x"}},
    "a list": {"attributes": [{"key": "list", "value": {"arrayValue": {"values": MANY}}}]},
    "a map": {
        "attributes": [
            {
                "key": "map",
                "value": {"kvlistValue": {"values": [{"key": f"k{n}", "value": one} for n, one in enumerate(MANY)]}},
            }
        ]
    },
    "bytes": {"attributes": [{"key": "bytes", "value": {"bytesValue": "eHh4" * 40_000}}]},
    "its name": {"name": "n" * 70_000},
    "its status": {"status": {"code": 2, "message": "m" * 70_000}},
    "its state": {"traceState": "a=" + "x" * 70_000},
    "an event": {"events": [{"name": "e" * 70_000, "attributes": {"stack": "s" * 70_000, "n" * 70_000: "x"}}]},
}


@pytest.mark.parametrize("kind", LARGE_SPANS)
def test_a_span_over_a_limit(stack: Stack, kind: str) -> None:
    """A span that Jaeger would reject, and be sent for ever with all its neighbours, is stored, and they are, too."""
    trace = f"{list(LARGE_SPANS).index(kind) + 1:032x}"
    large, neighbour = _span(trace, 0, 1), _span(trace, 1, 1)
    _send(stack, "spans", [{**large, **LARGE_SPANS[kind]}, neighbour], "pod-1")
    spans = {span.span_id: span for span in _trace(stack, trace, 2)}
    assert spans[f"{2:016x}"].attributes == {"text": "x"}
    if "attributes" in LARGE_SPANS[kind]:
        assert spans[f"{1:016x}"].attributes["batch.truncated"] == "true"
    if kind == "a text":
        assert spans[f"{1:016x}"].attributes["text"] == "x" * 16384


def test_a_resource_over_a_limit(stack: Stack) -> None:
    """The same of what describes the process and the library that have sent it."""
    trace = "d" * 32
    resource = {"service.name": "s" * 70_000, "text": "x" * 70_000, "n" * 70_000: "x"}
    scope = {"name": "l" * 70_000, "version": "v" * 70_000}
    body = otlp.expand(otlp.request(resource, scope, "spans", [_span(trace, 0, 1)]), int(time.time()), 0, "")
    with closing(otlp.Sender(stack.ports.otlp_http)) as sender:
        assert sender.send(otlp.path(body), otlp.encoded(body, otlp.JSON), otlp.JSON)[0] == 200
    assert len(_trace(stack, trace, 1)) == 1


def test_a_trace_of_many_requests(stack: Stack) -> None:
    """Jaeger has no limit for a trace: one of 200 large spans in ten requests is stored whole, as is a small one."""
    huge, small = "b" * 32, "c" * 32
    for batch in range(10):
        _send(stack, "spans", [_span(huge, batch * 20 + number, 15_000) for number in range(20)], "pod-1")
        _send(stack, "spans", [_span(small, batch, 1000)], "pod-1")
    assert len(_trace(stack, small, 10)) == 10
    assert len(_trace(stack, huge, 200)) == 200
