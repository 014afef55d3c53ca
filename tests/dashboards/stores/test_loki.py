"""The client of Loki: recorded answers, in the format that Loki 3.7 was measured to have; a real one at LOKI_URL."""

from __future__ import annotations

import json
import os
import time
import urllib.request

import pytest

from batchtel_dashboards.stores import Access, Loki, Record, Wanted
from batchtel_dashboards.stores.errors import StoreError
from batchtel_dashboards.stores.loki import logql
from tests.support.polling import until
from tests.support.recorded import answering

PATH = "/loki/api/v1/query_range"

ANSWER = {
    "status": "success",
    "data": {
        "resultType": "streams",
        "result": [
            {
                "stream": {
                    "service_name": "shop",
                    "batch_job_name": "nightly_etl",
                    "batch_run_id": "r-1",
                    "batch_data_quality_score": "0.98",
                    "event_name": "batch.run.finished",
                    "detected_level": "info",
                    "trace_id": "22d81276b2b3c9108b1f9ea85fdbba8f",
                    "own_key": "x",
                },
                "values": [["1795871742767359610", "run r-1 of nightly_etl ended: success"]],
            },
            {
                "stream": {"service_name": "shop", "batch_job_name": "nightly_etl", "batch_run_id": "r-1"},
                "values": [["1795871742765091584", "a line"], ["1795871742764000000", "an earlier line", {}]],
            },
        ],
        "stats": {},
    },
}


def test_records() -> None:
    """Streams become records by time; names of attributes are OpenTelemetry's again, others stay as Loki has them."""
    with answering({PATH: ANSWER}) as loki:
        store = Loki(loki.url, Access({"X-Scope-OrgID": "batch", "Authorization": "Bearer secret"}))
        records = store.records(Wanted("shop", run_id="r-1"), 1795871700.5, 1795871800)
    ((path, fields, headers),) = loki.requests
    assert (path, fields) == (
        PATH,
        {
            "query": '{service_name="shop"} | batch_run_id="r-1"',
            "start": "1795871700500000000",
            "end": "1795871800000000000",
            "limit": "5000",
            "direction": "forward",
        },
    )
    assert (headers["X-Scope-OrgID"], headers["Authorization"]) == ("batch", "Bearer secret")
    assert [record.line for record in records] == ["an earlier line", "a line", "run r-1 of nightly_etl ended: success"]
    assert records[-1] == Record(
        1795871742767359610,
        "run r-1 of nightly_etl ended: success",
        {
            "service.name": "shop",
            "batch.job.name": "nightly_etl",
            "batch.run.id": "r-1",
            "batch.data_quality.score": "0.98",
            "event_name": "batch.run.finished",
            "detected_level": "info",
            "trace_id": "22d81276b2b3c9108b1f9ea85fdbba8f",
            "own_key": "x",
        },
    )


@pytest.mark.parametrize(
    ("wanted", "query"),
    [
        (Wanted("shop"), '{service_name="shop"}'),
        (Wanted("shop", job="a"), '{service_name="shop", batch_job_name="a"}'),
        (Wanted("shop", "batch.run.finished"), '{service_name="shop"} | event_name="batch.run.finished"'),
        (
            Wanted("shop", "batch.run.finished", "a", "r-1"),
            '{service_name="shop", batch_job_name="a"} | event_name="batch.run.finished" | batch_run_id="r-1"',
        ),
        (Wanted('a"b\\c\nd'), '{service_name="a\\"b\\\\c\\nd"}'),
    ],
)
def test_queries(wanted: Wanted, query: str) -> None:
    """The stream first, then filters; a quote in a value changes no query."""
    assert logql(wanted) == query


@pytest.mark.parametrize(
    ("wanted", "query"),
    [
        (Wanted(), '{service_name=~".+"}'),
        (Wanted(job="a"), '{batch_job_name="a"}'),
        (Wanted(event="batch.run.finished"), '{service_name=~".+"} | event_name="batch.run.finished"'),
        (Wanted(run_begins="a+(", job="a"), '{batch_job_name="a"} | batch_run_id=~"a\\\\+\\\\(.*"'),
        (Wanted("shop", status="failure"), '{service_name="shop"} | batch_status="failure"'),
        (Wanted("shop", text="a.b", severity="WARN"), '{service_name="shop"} |~ "(?i)a\\\\.b" | severity_text="WARN"'),
        (Wanted(job_begins="a+"), '{batch_job_name=~"a\\\\+.*"}'),
        (Wanted("shop", but=("a", "b")), '{service_name="shop"} | event_name!="a" | event_name!="b"'),
    ],
)
def test_queries_of_all_services(wanted: Wanted, query: str) -> None:
    """Loki refuses a selector without a matcher; the beginning of an id is no pattern."""
    assert logql(wanted) == query


def test_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Newest first, page by page until the limit or the last page: each page ends where the one before began."""
    monkeypatch.setattr("batchtel_dashboards.stores.loki.LIMIT", 3)
    with answering({PATH: ANSWER}) as loki:
        records = Loki(loki.url).newest(Wanted("shop"), 1795871700, 1795871800, 5)
    asked = [(fields["start"], fields["end"], fields["limit"], fields["direction"]) for _, fields, _ in loki.requests]
    assert asked == [
        ("1795871700000000000", "1795871800000000000", "3", "backward"),
        ("1795871700000000000", "1795871742764000000", "2", "backward"),
    ]
    assert [record.time for record in records] == sorted((record.time for record in records), reverse=True)


def test_an_answer_that_would_be_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer as long as its limit may not be all there is, so it is an error."""
    monkeypatch.setattr("batchtel_dashboards.stores.loki.LIMIT", 3)
    with answering({PATH: ANSWER}) as loki, pytest.raises(StoreError) as failed:
        Loki(loki.url).records(Wanted("shop"), 0, 1)
    assert str(failed.value) == (
        'Loki has 3 results or more for {service_name="shop"}; query a shorter time or one run'
    )


def test_errors() -> None:
    """Loki's own message with the query; another program at its address."""
    with answering({PATH: b"parse error : unexpected IDENTIFIER\n"}, status=400) as loki:
        with pytest.raises(StoreError) as failed:
            Loki(loki.url).records(Wanted("shop"), 0, 1)
        assert str(failed.value) == (
            f"Loki answers 400 at {loki.url}{PATH}: parse error : unexpected IDENTIFIER "
            '(query: query={service_name="shop"}; start=0; end=1000000000; limit=5000; direction=forward)'
        )
    for answer, answered in (({"status": "success"}, "unexpected JSON"), (None, "404")):
        with answering({PATH: answer} if answer else {}) as loki, pytest.raises(StoreError) as failed:
            Loki(loki.url).records(Wanted("shop"), 0, 1)
        assert str(failed.value) == f"Loki answers {answered} at {loki.url}{PATH}. Is this address that of Loki?"


@pytest.mark.skipif("LOKI_URL" not in os.environ, reason="set LOKI_URL=http://host:3100 to run this on a real Loki")
def test_a_real_loki() -> None:
    """A record that is pushed is found by job, run and event, with the names that OpenTelemetry has."""
    url, now, run = os.environ["LOKI_URL"], time.time(), f"run-{time.time_ns()}"
    metadata = {"batch_run_id": run, "event_name": "batch.run.finished", "batch_data_quality_score": "1"}
    stream = {"service_name": "batchtel-test", "batch_job_name": "recorded"}
    body = {"streams": [{"stream": stream, "values": [[str(int(now * 1e9)), "a line", metadata]]}]}
    push = urllib.request.Request(
        f"{url}/loki/api/v1/push", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(push, timeout=30).close()
    wanted, loki = Wanted("batchtel-test", "batch.run.finished", "recorded", run), Loki(url)
    (record,) = until("the record", lambda: loki.records(wanted, now - 60, now + 60) or None, 60)
    assert (record.line, record.fields["batch.data_quality.score"]) == ("a line", "1")
