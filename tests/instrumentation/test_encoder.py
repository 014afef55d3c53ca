"""Spans and log records as OTLP: the same messages as those of the SDK's encoder, without secrets."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from batchtel.export.encoder import Encoder
from batchtel.redact.patterns import REDACTED, Redaction

VALUES: dict[str, Any] = {
    "text": "one",
    "empty": "",
    "long": "x" * 5000,
    "umlaut": "ä\n",
    "truth": True,
    "no": False,
    "one": 1,
    "zero": 0,
    "negative": -5,
    "widest": 2**63 - 1,
    "float": 1.0,
    "small": 1e-9,
    "bytes": b"\x00raw",
    "none": None,
    "texts": ["a", "b"],
    "numbers": (1, 2),
    "mixed": [1, "a", None, [True]],
    "mapping": {"a": 1, "b": {"c": [2.5]}},
}
RECORD: Any = LogRecord
STATE = TraceState([("vendor", "1"), ("other", "x")])
RESOURCES = [Resource({"service.name": "one", "n": 1}, "https://schema/1"), Resource({"service.name": "two"})]
SCOPES = [
    InstrumentationScope("batchtel", "1.0"),
    InstrumentationScope("library", None, "https://schema/2", {"a": "b", "n": 2}),
    None,
]


def context(number: int, *, is_remote: bool = False, state: TraceState | None = None) -> SpanContext:
    """Return a span context with ids made of `number`."""
    return SpanContext(number << 100 | 1, number << 40 | 2, is_remote, TraceFlags(1), state)


def spans() -> list[ReadableSpan]:
    """Return spans with all that a span may have."""
    own = [
        ReadableSpan(
            name=f"span {number}",
            context=context(number + 1, state=STATE if number % 2 else None),
            parent=[None, context(7), context(8, is_remote=True)][number % 3],
            resource=RESOURCES[number % 2],
            attributes=VALUES if number else None,
            events=[Event("first", {"a": 1}, 17), Event("second", None, 18)] if number % 3 else (),
            links=[Link(context(9, is_remote=True), {"x": "y"}), Link(context(10))] if number % 4 else (),
            kind=list(SpanKind)[number % 5],
            status=[Status(), Status(StatusCode.OK), Status(StatusCode.ERROR, "it failed")][number % 3],
            start_time=1_700_000_000_000_000_000 + number,
            end_time=1_700_000_000_000_000_100 + number,
            instrumentation_scope=SCOPES[number % 3],
        )
        for number in range(24)
    ]
    limits = SpanLimits(max_attributes=2, max_events=1, max_links=1, max_event_attributes=1)
    span: Any = (
        TracerProvider(span_limits=limits)
        .get_tracer("limited")
        .start_span("full", attributes={"a": 1, "b": 2, "c": 3}, links=[Link(context(3)), Link(context(4))])
    )
    for number in range(3):
        span.add_event(str(number), {"a": 1, "b": 2})
    span.end()
    return [*own, span._readable_span()]


def log_records() -> list[ReadableLogRecord]:
    """Return log records with all that a record may have."""
    bodies = ["text", "", None, 5, True, 2.5, b"raw", {"a": [1]}, ["x", 2], "long " * 2000]
    return [
        ReadableLogRecord(
            RECORD(
                timestamp=1_700_000_000_000_000_000 + number if number % 2 else None,
                observed_timestamp=1_700_000_000_000_000_005,
                trace_id=number,
                span_id=number * 3,
                trace_flags=TraceFlags(number % 2),
                severity_text="WARN" if number % 3 else None,
                severity_number=SeverityNumber.WARN if number % 3 else None,
                body=body,
                attributes=VALUES if number else None,
                event_name="an.event" if number % 2 else None,
            ),
            RESOURCES[number % 2],
            SCOPES[number % 3],
        )
        for number, body in enumerate(bodies)
    ]


@pytest.mark.parametrize("rounds", [1, 2])
def test_spans_are_those_of_the_sdk(rounds: int) -> None:
    """Each field of each span, grouped by resource and scope, also where most of it was encoded before."""
    encoder, batch = Encoder(Redaction()), spans()
    for _ in range(rounds):
        encoded = encoder.spans(batch)
    assert ExportTraceServiceRequest.FromString(encoded) == encode_spans(batch)


@pytest.mark.parametrize("rounds", [1, 2])
def test_log_records_are_those_of_the_sdk(rounds: int) -> None:
    """Each field of each record, grouped by resource and scope."""
    encoder, batch = Encoder(Redaction()), log_records()
    for _ in range(rounds):
        encoded = encoder.log_records(batch)
    assert ExportLogsServiceRequest.FromString(encoded) == encode_logs(batch)


def test_nothing_is_an_empty_request() -> None:
    """Without items there is no resource."""
    assert Encoder(Redaction()).spans([]) == Encoder(Redaction()).log_records([]) == b""


def test_equal_values_of_other_types_stay_apart() -> None:
    """True is not encoded as the 1 that came before it, nor 1.0."""
    encoder = Encoder(Redaction())
    for values in ([1, True, 1.0], [0.0, False, 0]):
        batch = [ReadableSpan("s", context(1), attributes={"a": value}, resource=RESOURCES[0]) for value in values]
        found = ExportTraceServiceRequest.FromString(encoder.spans(batch)).resource_spans[0].scope_spans[0].spans
        kinds = [span.attributes[0].value.WhichOneof("value") for span in found]
        assert kinds == [{int: "int_value", bool: "bool_value", float: "double_value"}[type(value)] for value in values]


def test_no_secret_is_in_any_part() -> None:
    """Names, attributes, events, links, statuses, bodies and the resource of a foreign provider are without secrets."""
    secret = "hunter2hunter2"
    leaking = f"login password={secret}"
    own: dict[str, Any] = {"password": secret, "url": f"https://u:{secret}@host", secret: 1}
    foreign = Resource({"process.command_args": ["job", "--password", secret]})
    span = ReadableSpan(
        name=leaking,
        context=context(1),
        resource=foreign,
        attributes={**own, "nested": {"token": [secret]}},
        events=[Event(leaking, own)],
        links=[Link(context(2), own)],
        status=Status(StatusCode.ERROR, leaking),
    )
    record = ReadableLogRecord(RECORD(body=leaking, attributes=own), foreign, None)
    structured = ReadableLogRecord(RECORD(body={"password": secret}, attributes=own), foreign, None)
    encoder = Encoder(Redaction(secret))
    for encoded in (encoder.spans([span, span]), encoder.log_records([record, structured, record])):
        assert secret.encode() not in encoded
        assert REDACTED.encode() in encoded


def test_what_otlp_cannot_hold_is_left_out() -> None:
    """An attribute of another type is left out as the SDK does; a body of one fails, so that its record goes alone."""
    record = RECORD(body="text", attributes={"good": 1, "bad": object()})
    encoded = Encoder(Redaction()).log_records([ReadableLogRecord(record, RESOURCES[0], None)])
    found = ExportLogsServiceRequest.FromString(encoded).resource_logs[0].scope_logs[0].log_records[0]
    assert [pair.key for pair in found.attributes] == ["good"]
    wrong = ReadableLogRecord(RECORD(body=object()), RESOURCES[0], None)
    with pytest.raises(TypeError, match="object is no type of OTLP"):
        Encoder(Redaction()).log_records([wrong])


def test_values_that_are_wide_or_no_text() -> None:
    """An int beyond 64 bits and text with a lone surrogate are encoded as text that UTF-8 holds."""
    attributes: dict[str, Any] = {"wide": 2**70, "name\udcff": "value\udcff"}
    span = ReadableSpan("s\udcff", context(1), resource=RESOURCES[0], attributes=attributes)
    message = ExportTraceServiceRequest.FromString(Encoder(Redaction()).spans([span]))
    found = message.resource_spans[0].scope_spans[0].spans[0]
    assert found.name == "s\\udcff"
    pairs = {pair.key: pair.value.string_value for pair in found.attributes}
    assert pairs == {"wide": str(2**70), "name\\udcff": "value\\udcff"}


@pytest.mark.parametrize("key", ["rows", "password", "token", "auth", "pwd", "monkey", "n\udcff"])
def test_numbers_are_redacted_by_their_key(key: str) -> None:
    """A number is encoded as the redaction leaves it, whichever numbers the same key had before."""
    encoder, redaction = Encoder(Redaction()), Redaction()
    for value in (0.0, 1.5, 123456.789, 5.0, -1e300, float("inf"), 123456.789):
        span = ReadableSpan("s", context(1), resource=RESOURCES[0], attributes={key: value})
        message = ExportTraceServiceRequest.FromString(encoder.spans([span]))
        found = message.resource_spans[0].scope_spans[0].spans[0].attributes[0]
        kept = found.value.double_value if found.value.HasField("double_value") else found.value.string_value
        assert (found.key, kept) == redaction.pair(key, value)
