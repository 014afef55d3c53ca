"""The clients on real stores: what they return, and errors with store, address and answer."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from batchtel_collector.environment.load import load
from batchtel_dashboards.stores import Jaeger, Prometheus, VictoriaLogs, Wanted
from batchtel_dashboards.stores.errors import StoreError
from batchtel_stack.demo.jobs import etl, race
from batchtel_stack.errors import WrongInputError
from batchtel_stack.stores import Stores
from tests.stack.conftest import Played
from tests.support.recorded import answering

SERVICE = "batchtel-demo"


def test_records_of_a_job_an_event_and_a_run(played: Played) -> None:
    """Each part of what is wanted narrows, oldest first, and a quote in it finds nothing else."""
    logs, start, end = VictoriaLogs(played.stack.victorialogs), played.since - 60, time.time() + 60
    everything = logs.records(Wanted(SERVICE), start, end)
    assert [record.time for record in everything] == sorted(record.time for record in everything)
    of_race = logs.records(Wanted(SERVICE, job=race.JOB), start, end)
    assert {record.fields["batch.job.name"] for record in of_race} == {race.JOB}
    finished = logs.records(Wanted(SERVICE, "batch.run.finished", race.JOB), start, end)
    assert len(finished) == race.PROCESSES
    run_id = finished[0].fields["batch.run.id"]
    of_run = logs.records(Wanted(SERVICE, run_id=run_id), start, end)
    assert {record.fields["batch.run.id"] for record in of_run} == {run_id}
    assert len(of_run) > 1
    assert logs.records(Wanted(SERVICE, run_id=f'{run_id}" or "a'), start, end) == []
    moment = of_race[0].time
    assert moment % 1000, "nanoseconds"
    assert logs.records(Wanted(SERVICE, job=race.JOB), start, moment / 1e9 - 1) == []


def test_traces_of_a_service_a_job_and_a_run(played: Played) -> None:
    """Each trace with spans of ours, found by attributes, then read by id with the parts in their places."""
    traces, start, end = Jaeger(played.stack.jaeger), played.since - 60, time.time() + 60
    of_race = traces.find(Wanted(SERVICE, job=race.JOB), start, end)
    assert len(of_race) == len(set(of_race)) == race.PROCESSES
    assert set(of_race) < set(traces.find(Wanted(SERVICE), start, end))
    (run_id,) = played.witnesses.run_ids(etl.JOB)
    (trace_id,) = traces.find(Wanted(SERVICE, run_id=run_id), start, end)
    job, *steps = traces.trace(trace_id)
    assert (job.name, job.parent_id, job.attributes["batch.run.id"]) == (f"batch_job.{etl.JOB}", "", run_id)
    assert {step.parent_id for step in steps} == {job.span_id}
    assert traces.find(Wanted(SERVICE, run_id="none"), start, end) == []
    assert traces.find(Wanted("absent"), start, end) == []


def test_nothing_answers(free_ports: Callable[[int], list[int]]) -> None:
    """An address without a listener: exit code 3, with the store and the address."""
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(StoreError) as failed:
        Prometheus(url).query("up")
    assert re.fullmatch(
        rf"Prometheus does not answer at {url}/api/v1/query: connection refused\. "
        r"Is it running\? batchtel stack status",
        str(failed.value),
    )


def test_query_that_prometheus_cannot_read(played: Played) -> None:
    """Prometheus' own message, with the query."""
    with pytest.raises(StoreError) as failed:
        Prometheus(played.stack.prometheus).query("sum(")
    assert str(failed.value) == (
        f"Prometheus answers 400 at {played.stack.prometheus}/api/v1/query: "
        '{"status":"error","errorType":"bad_data","error":"invalid parameter \\"query\\": 1:5: parse error: unclosed '
        'left parenthesis"} (query: query=sum()'
    )


def test_another_program_at_the_address(played: Played) -> None:
    """Each store at the address of another one is recognised: its answer is not read as an empty one."""
    stack = played.stack
    with pytest.raises(StoreError) as failed:
        Prometheus(stack.victorialogs).query("up")
    assert str(failed.value).startswith(f"Prometheus answers 400 at {stack.victorialogs}/api/v1/query: unsupported")
    for url in (stack.prometheus, stack.jaeger):
        with pytest.raises(StoreError, match=r"^VictoriaLogs answers .* Is this address that of VictoriaLogs\?$"):
            VictoriaLogs(url).records(Wanted(SERVICE), 0, 1)
    with pytest.raises(StoreError, match=r"^Jaeger answers 404 at .*/api/traces\. Is this address that of Jaeger\?$"):
        Jaeger(stack.prometheus).find(Wanted(SERVICE), 0, 1)


def test_unknown_trace(played: Played) -> None:
    """A trace that Jaeger does not have has no spans."""
    assert Jaeger(played.stack.jaeger).trace("0123456789abcdef0123456789abcdef") == []


def test_an_answer_that_would_be_cut(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer as long as its limit may not be all there is, so it is an error."""
    monkeypatch.setattr("batchtel_dashboards.stores.victorialogs.LIMIT", 3)
    monkeypatch.setattr("batchtel_dashboards.stores.jaeger.LIMIT", 3)
    start, end = played.since - 60, time.time() + 60
    with pytest.raises(StoreError) as failed:
        VictoriaLogs(played.stack.victorialogs).records(Wanted(SERVICE), start, end)
    assert str(failed.value) == (
        f'VictoriaLogs has 3 results or more for {{"service.name"="{SERVICE}"}}; query a shorter time or one run'
    )
    with pytest.raises(StoreError, match=rf"^Jaeger has 3 results or more for {SERVICE} "):
        Jaeger(played.stack.jaeger).find(Wanted(SERVICE), start, end)


def test_stores_of_an_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each query has the credentials and the tenant of the environment."""
    (tmp_path / "token").write_text("from a file\n")
    monkeypatch.setenv("STORES_TOKEN", "from a variable")
    logs = {"status": "success", "data": {"result": []}}
    with answering(
        {"/loki/api/v1/query_range": logs, "/api/traces": {"data": []}, "/api/search": {"traces": []}}
    ) as any_:
        environment = load(
            "local",
            {
                "tenant": "batch",
                "loki": {"endpoint": f"{any_.url}/otlp", "token": "${env:STORES_TOKEN}"},
                "victorialogs": None,
                "tempo": {"endpoint": "127.0.0.1:4317", "query": any_.url, "token": str(tmp_path / "token")},
                "jaeger": {"query": any_.url, "headers": {"X-Own": "${env:OWN:-default}"}},
            },
        )
        stores = Stores.of(environment)
        assert list(stores.urls) == ["Prometheus", "Loki", "Tempo", "Jaeger"]
        assert stores.prometheus.url == "http://127.0.0.1:9090"
        for store in stores.logs:
            assert store.records(Wanted("absent"), 0, 1) == []
        for traces in stores.traces:
            assert traces.find(Wanted("absent"), 0, 1) == []
    loki, tempo, jaeger = (headers for _, _, headers in any_.requests)
    assert (loki["X-Scope-OrgID"], loki["Authorization"]) == ("batch", "Bearer from a variable")
    assert (tempo["X-Scope-OrgID"], tempo["Authorization"]) == ("batch", "Bearer from a file")
    assert (jaeger["x-tenant"], jaeger["X-Own"]) == ("batch", "default")


def test_stores_that_cannot_be_queried(monkeypatch: pytest.MonkeyPatch) -> None:
    """All missing values of all stores are reported at once; exit code 2."""
    monkeypatch.delenv("STORES_TOKEN", raising=False)
    environment = load(
        "local",
        {
            "prometheus": {"token": "${env:STORES_TOKEN}"},
            "victorialogs": None,
            "jaeger": {"token": "/nowhere/token"},
            "vendor": {"endpoint": "https://otlp.example.com"},
        },
    )
    with pytest.raises(WrongInputError) as failed:
        Stores.of(environment)
    assert str(failed.value) == (
        "the environment local cannot be queried:\n"
        "  no store of logs can be queried; write loki or victorialogs: {endpoint: ...}\n"
        "  prometheus needs the variable STORES_TOKEN; export STORES_TOKEN=...\n"
        "  jaeger.token: /nowhere/token cannot be read: No such file or directory"
    )
