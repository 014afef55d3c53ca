"""The client of Tempo: recorded answers, in the format that Tempo 2.9 was measured to have; a real one at TEMPO_URL."""

from __future__ import annotations

import base64
import os
from typing import Any

import pytest

from batchtel_dashboards.stores import Span, Tempo, Wanted
from batchtel_dashboards.stores.errors import StoreError
from batchtel_dashboards.stores.tempo import traceql
from tests.support.recorded import answering

TRACE = "02d81276b2b3c9108b1f9ea85fdbba8f"


def _id(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode()


def _attributes(**values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key.replace("_", "."), "value": value} for key, value in values.items()]


SEARCH = {"traces": [{"traceID": TRACE.lstrip("0"), "rootServiceName": "shop"}], "metrics": {}}
BATCHES = [
    {
        "resource": {"attributes": _attributes(service_name={"stringValue": "shop"})},
        "scopeSpans": [
            {
                "scope": {"name": "batchtel"},
                "spans": [
                    {
                        "traceId": _id(TRACE),
                        "spanId": _id("7fceba50b27f00f6"),
                        "parentSpanId": _id("f4c491d94ab01a26"),
                        "name": "batch_step.extract",
                        "startTimeUnixNano": "1795871742764397733",
                        "endTimeUnixNano": "1795871742765922457",
                        "attributes": _attributes(
                            batch_records_read={"intValue": "100"},
                            batch_inputs={"arrayValue": {"values": [{"stringValue": "a"}, {"stringValue": "b"}]}},
                            nested={"kvlistValue": {"values": [{"key": "k", "value": {"boolValue": True}}]}},
                        ),
                    },
                    {
                        "traceId": _id(TRACE),
                        "spanId": _id("f4c491d94ab01a26"),
                        "name": "batch_job.nightly_etl",
                        "startTimeUnixNano": "1795871742762909574",
                        "endTimeUnixNano": "1795871742767405569",
                        "attributes": _attributes(quality={"doubleValue": 0.98}, done={"boolValue": True}, empty={}),
                    },
                ],
            }
        ],
    }
]


@pytest.mark.parametrize("key", ["batches", "resourceSpans"])
def test_a_trace(key: str) -> None:
    """Spans by start, ids in hexadecimal digits, 64-bit integers as numbers, lists and maps as JSON."""
    with answering({f"/api/traces/{TRACE}": {key: BATCHES}}) as tempo:
        job, step = Tempo(tempo.url).trace(TRACE)
    assert job == Span(
        TRACE,
        "f4c491d94ab01a26",
        "",
        "batch_job.nightly_etl",
        1795871742762909574,
        1795871742767405569,
        {"quality": 0.98, "done": True, "empty": ""},
    )
    assert (step.parent_id, step.name) == ("f4c491d94ab01a26", "batch_step.extract")
    assert step.attributes == {"batch.records.read": 100, "batch.inputs": '["a","b"]', "nested": '{"k":true}'}


def test_find() -> None:
    """Ids have 32 digits, of which a search drops leading zeros."""
    with answering({"/api/search": SEARCH}) as tempo:
        assert Tempo(tempo.url).find(Wanted("shop", run_id="r-1"), 1795871700.9, 1795871800.1) == [TRACE]
    ((_, fields, _),) = tempo.requests
    query = '{ resource.service.name = "shop" && name =~ "batch_(job|step)[.].*" && span.batch.run.id = "r-1" }'
    assert fields == {"q": query, "start": "1795871700", "end": "1795871801", "limit": "5000"}


def test_queries() -> None:
    """A quote in a value changes no query."""
    assert traceql(Wanted('a"b', job="j")) == (
        '{ resource.service.name = "a\\"b" && name =~ "batch_(job|step)[.].*" && span.batch.job.name = "j" }'
    )


def test_what_is_not_there() -> None:
    """A trace that Tempo does not have has no spans; a search of which it has none finds none."""
    with answering({"/api/search": {"traces": []}}) as tempo:
        assert Tempo(tempo.url).trace(TRACE) == []
        assert Tempo(tempo.url).find(Wanted("shop"), 0, 1) == []


def test_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that would be cut, one that is not JSON, and another program at the address."""
    monkeypatch.setattr("batchtel_dashboards.stores.tempo.LIMIT", 1)
    with answering({"/api/search": SEARCH, f"/api/traces/{TRACE}": [1], "/api/traces/html": b"<html>"}) as tempo:
        with pytest.raises(StoreError, match=r"^Tempo has 1 results or more for \{ resource"):
            Tempo(tempo.url).find(Wanted("shop"), 0, 1)
        with pytest.raises(StoreError, match=r"^Tempo answers unexpected JSON at .*Is this address that of Tempo\?$"):
            Tempo(tempo.url).trace(TRACE)
        with pytest.raises(StoreError, match=r"^Tempo answers something that is not JSON at "):
            Tempo(tempo.url).trace("html")
    with (
        answering({}) as tempo,
        pytest.raises(StoreError, match=r"^Tempo answers 404 at .*Is this address that of Tempo\?$"),
    ):
        Tempo(tempo.url).find(Wanted("shop"), 0, 1)


@pytest.mark.skipif("TEMPO_URL" not in os.environ, reason="set TEMPO_URL=http://host:3200 to run this on a real Tempo")
def test_a_real_tempo() -> None:
    """A service and a trace that do not exist: both queries are accepted, and return nothing."""
    tempo = Tempo(os.environ["TEMPO_URL"])
    assert tempo.find(Wanted("batchtel-absent", run_id="r-1"), 1795871700, 1795871800) == []
    assert tempo.trace(TRACE) == []
