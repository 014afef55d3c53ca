"""Log records and spans that are too large or too late: cut with a mark, kept in a file, counted; none is lost."""

from __future__ import annotations

import json
from typing import Any

from tests.pipeline import detail
from tests.pipeline.bench import Bench, Collector
from tests.pipeline.conftest import Start
from tests.support import file_sink, otlp
from tests.support.polling import until

NAMESPACE = "limits-of-detail"


def _send(bench: Bench, signal: str, item: dict[str, Any]) -> None:
    resource = {"service.name": "etl", "service.namespace": NAMESPACE}
    body = otlp.expand(otlp.request(resource, {}, signal, [item]), bench.now, 0, NAMESPACE)
    assert bench.send(body)[0] == 200


def _records(bench: Bench, count: int) -> list[dict[str, Any]]:
    def arrived() -> list[dict[str, Any]] | None:
        found = detail.logs(bench.sink.logs, NAMESPACE, bench.now)
        return found if len(found) >= count else None

    return until(f"{count} log records", arrived, 30, bench.program.tail)


def test_log_records_that_are_too_large(start: Start) -> None:
    """A long line, a large map as body, a long attribute and many attributes: each is cut, marked and delivered."""
    with start() as bench:
        _send(bench, "logs", {"body": {"stringValue": "x" * 300_000}})
        large = {
            "kvlistValue": {"values": [{"key": f"k{n}", "value": {"stringValue": "y" * 1000}} for n in range(400)]}
        }
        _send(bench, "logs", {"body": large})
        _send(bench, "logs", {"body": {"stringValue": "long"}, "attributes": {"text": "z" * 50_000}})
        many = {f"attribute_{number}": "v" for number in range(300)}
        _send(bench, "logs", {"body": {"stringValue": "many"}, "attributes": {**many, "batch.run.id": "r1"}})
        _send(bench, "logs", {"body": {"stringValue": "small"}, "attributes": {"text": "whole"}})
        line, structure, long, crowd, small = _records(bench, 5)
    for cut in line, structure:
        assert (len(cut["body"]), cut["body"][-14:]) == (200_014, "...[truncated]")
    assert long["attributes"] == {"text": "z" * 16384, "batch.truncated": "true"}
    assert (len(crowd["attributes"]), crowd["attributes"]["batch.truncated"]) == (101, "true")
    assert crowd["attributes"]["batch.run.id"] == "r1"
    assert small["attributes"] == {"text": "whole"}


def test_spans_that_are_too_large(start: Start) -> None:
    """A span of 5 MiB, whose queue would drop it after its acknowledgement, is cut, marked and delivered."""
    with start() as bench:
        ids = {"traceId": "3" * 32, "spanId": "3" * 16}
        event = {"name": "exception", "attributes": {"exception.stacktrace": "s" * 3_000_000}}
        attributes = {"text": "x" * 5_000_000, "batch.run.id": "r1"}
        _send(bench, "spans", {"name": "large", **ids, "attributes": attributes, "events": [event]})
        _send(bench, "spans", {"name": "many", **ids, "attributes": {f"a{n}": "y" * 10_000 for n in range(400)}})
        _send(bench, "spans", {"name": "small", **ids, "attributes": {"text": "whole"}})

        def arrived() -> dict[str, dict[str, Any]] | None:
            found = {span["name"]: span["attributes"] for span in detail.spans(bench.sink.spans, NAMESPACE)}
            return found if len(found) == 3 else None

        spans = until("three spans", arrived, 30, bench.program.tail)
    assert spans["large"] == {"text": "x" * 16384, "batch.run.id": "r1", "batch.truncated": "true"}
    assert len(spans["many"]) == 257
    assert spans["many"]["batch.truncated"] == "true"
    assert {len(text) for key, text in spans["many"].items() if key != "batch.truncated"} == {2048}
    assert spans["small"] == {"text": "whole"}


def _gateway(collector: Collector) -> str:
    return collector.rendered({}, "gateway")


def test_log_records_that_are_too_late(start: Start) -> None:
    """What waited for hours at an agent is kept in a file of the gateway and counted, its neighbours go to Loki."""
    with start(configuration=_gateway) as bench:
        for hours, text in (2, "late"), (0, "in time"):
            record = {"body": {"stringValue": text}, "timeUnixNano": f"{{now-{hours * 3600}}}"}
            _send(bench, "logs", {**record, "attributes": {"batch.run.id": "r2"}})
        file = bench.program.log.parent / "queue" / "late-logs.json"

        (line,) = until(f"a line in {file}", lambda: file_sink.lines(file) or None, 30, bench.program.tail)
        until(
            "the record in time at Loki",
            lambda: True if any("in time" in line for line in file_sink.lines(bench.sink.logs)) else None,
            30,
        )
        delivered = [record["body"] for record in detail.logs(bench.sink.logs, NAMESPACE, bench.now)]
        counted = bench.telemetry().value("otelcol_processor_filter_logs_filtered")
    assert "in time" in delivered
    assert "late" not in delivered
    (resource,) = json.loads(line)["resourceLogs"]
    (record,) = resource["scopeLogs"][0]["logRecords"]
    assert record["body"] == {"stringValue": "late"}
    # Each of the two filters has counted the record that it left to the other.
    assert counted == 2
