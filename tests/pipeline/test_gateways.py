"""An agent and its gateways, each a process of its own: growing, shrinking, kills, and who is let in."""

from __future__ import annotations

import json
import signal
import ssl
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline import exposition
from tests.pipeline.bench import of_namespace, read_page
from tests.pipeline.case import Send, load
from tests.pipeline.conftest import Prometheus
from tests.pipeline.telemetry import Telemetry
from tests.pipeline.tiers import TOKEN, Tiers
from tests.support import file_sink, otlp
from tests.support.polling import until
from tests.support.program import Program

JOBS = [f"job_{number}" for number in range(12)]


@pytest.fixture
def tiers(
    collector_program: Path,
    tmp_path: Path,
    free_ports: Callable[[int], list[int]],
    detail_sink: file_sink.Sink,
    prometheus: Prometheus,
) -> Tiers:
    """Agents and gateways that write to the bench's Prometheus and sink."""
    return Tiers(collector_program, tmp_path, free_ports, detail_sink, prometheus.write)


class Ledger:
    """What the jobs of one test have done, and what the stores have of it."""

    def __init__(self, tiers: Tiers, prometheus: Prometheus, namespace: str) -> None:
        self._tiers = tiers
        self._prometheus = prometheus
        self._namespace = namespace
        self.runs: Counter[str] = Counter()

    def run(self, times: int, jobs: list[str] = JOBS) -> None:
        """Let each job run `times` times, and write it down."""
        for job in jobs:
            self._tiers.send(self._namespace, job, times)
            self.runs[job] += times

    def counted(self, by: str = "") -> Counter[tuple[str, ...]]:
        """Return job (and label `by`) -> completions in Prometheus: the last total of each shard and boot, added."""
        names = ["job_name", *([by] if by else [])]
        query = (
            f"sum by ({', '.join(names)}) "
            f'(last_over_time(batch_job_completions_total{{job="{self._namespace}/etl"}}[1h]))'
        )
        rows = self._prometheus.query(query)
        return Counter({tuple(row["metric"][name] for name in names): int(row["value"][1]) for row in rows})

    def wait(self, what: str, context: Callable[[], str]) -> None:
        """Wait until Prometheus has exactly what is written down."""
        expected = {(job,): runs for job, runs in self.runs.items()}

        def state() -> str:
            return f"expected {expected}\nlast seen {dict(self.counted())}\n{context()}"

        until(what, lambda: True if self.counted() == expected else None, 60, state)

    def detail(self) -> tuple[Counter[str], Counter[str]]:
        """Return job -> log records, and job -> spans, of this test in the sink."""
        records: Counter[str] = Counter()
        for line in file_sink.lines(self._tiers.sink.logs):
            for block in json.loads(line)["resourceLogs"]:
                if self._is_ours(block):
                    records.update(record["body"]["stringValue"] for record in _items(block, "Logs", "logRecords"))
        spans: Counter[str] = Counter()
        for line in file_sink.lines(self._tiers.sink.spans):
            for block in json.loads(line)["resourceSpans"]:
                if self._is_ours(block):
                    spans.update(span["name"] for span in _items(block, "Spans", "spans"))
        return records, spans

    def wait_for_detail(self, context: Callable[[], str]) -> None:
        """Wait until the sink has one log record and one span for each run, and no more."""

        def state() -> str:
            records, spans = self.detail()
            return f"records {records}\nspans {spans}\nexpected {self.runs}\n{context()}"

        until(
            "one log record and one span for each run",
            lambda: True if self.detail() == (self.runs, self.runs) else None,
            60,
            state,
        )

    def _is_ours(self, block: Mapping[str, Any]) -> bool:
        return f'"{self._namespace}"' in json.dumps(block["resource"])


def _items(block: Mapping[str, Any], kind: str, key: str) -> list[dict[str, Any]]:
    return [item for scope in block[f"scope{kind}"] for item in scope[key]]


def _kill(program: Program) -> None:
    program.stop(signal.SIGKILL)


def test_growing_to_three_gateways_and_back(tiers: Tiers, prometheus: Prometheus) -> None:
    """All shards add up to the ledger after each change; what waits for a gateway that leaves still gets there."""
    ledger = Ledger(tiers, prometheus, "growing")
    with tiers.gateway("gateway-0") as first:
        with tiers.agent(["gateway-0"]) as agent:
            ledger.run(2)
        with ExitStack() as others:
            others.enter_context(tiers.gateway("gateway-1"))
            third = others.enter_context(tiers.gateway("gateway-2"))
            three = ["gateway-0", "gateway-1", "gateway-2"]
            with tiers.agent(three) as agent:
                ledger.run(3)
                ledger.wait("the runs of three gateways", agent.tail)
                owners = ledger.counted("instance")
                assert {instance for _, instance in owners} == set(three)
                # Each job has its part from before, at the first gateway, and the rest at the one that owns it now.
                assert {tuple(sorted(runs for (name, _), runs in owners.items() if name == job)) for job in JOBS} == {
                    (5,),
                    (2, 3),
                }
                third.stop()
                ledger.run(4)
            with tiers.agent(["gateway-0"], draining=["gateway-1", "gateway-2"]) as agent:
                ledger.run(1)
                others.enter_context(tiers.gateway("gateway-2", boot="2"))
                ledger.wait("the runs that waited for a gateway that leaves", agent.tail)
                ledger.wait_for_detail(agent.tail)
        with tiers.agent(["gateway-0"]) as agent:
            ledger.run(1)
            ledger.wait("the runs of one gateway again", first.tail)
            ledger.wait_for_detail(agent.tail)


def test_a_gateway_that_is_killed(tiers: Tiers, prometheus: Prometheus) -> None:
    """What it had delivered stays, what arrives meanwhile is queued at the agent, and both totals are added."""
    ledger = Ledger(tiers, prometheus, "killed-gateway")
    names = ["gateway-0", "gateway-1"]
    with tiers.gateway("gateway-0"), tiers.agent(names) as agent:
        with tiers.gateway("gateway-1") as gateway:
            ledger.run(3)
            ledger.wait("the runs before the kill", agent.tail)
            # A kill leaves what is in flight in its queue, and the next start delivers it again: test_kills has that.
            ledger.wait_for_detail(agent.tail)
            until("empty queues", lambda: tiers.are_queues_empty("agent", "gateway-1") or None, 60, gateway.tail)
            _kill(gateway)
        ledger.run(5)
        with tiers.gateway("gateway-1", boot="2") as gateway:
            ledger.wait("the runs during the absence", gateway.tail)
            ledger.wait_for_detail(agent.tail)


def test_an_agent_that_is_killed_with_a_full_queue(tiers: Tiers, prometheus: Prometheus) -> None:
    """What it had acknowledged while no gateway was there is delivered once after its next start."""
    ledger = Ledger(tiers, prometheus, "killed-agent")
    names = ["gateway-0", "gateway-1"]
    with tiers.agent(names) as agent:
        ledger.run(5)
        _kill(agent)
    with tiers.gateway("gateway-0"), tiers.gateway("gateway-1"), tiers.agent(names) as agent:
        ledger.wait("the runs from before the kill", agent.tail)
        ledger.wait_for_detail(agent.tail)


def test_airflows_own_metrics_pass_an_agent(tiers: Tiers) -> None:
    """Gauges, timers and levels of an Airflow get through, and one of two gateways has all of them, as without."""
    cases = [named for named in load() if named.name in ("airflow.increments", "airflow.totals", "airflow.names")]
    names = ["gateway-0", "gateway-1"]
    now = int(time.time())
    with tiers.gateway("gateway-0"), tiers.gateway("gateway-1"), tiers.agent(names) as agent:
        with closing(otlp.Sender(tiers.listen("agent").otlp_http)) as sender:
            for named in cases:
                for one in named.case.send:
                    assert isinstance(one, Send)
                    for body in one.bodies(now, named.name, neighbours=False):
                        assert sender.send(otlp.path(body), otlp.encoded(body, otlp.JSON)) == (
                            200,
                            '{"partialSuccess":{}}',
                        )

        pages = [tiers.listen(name).scrape for name in names]
        expected = {named.name: named.case.of("exact").expected(now) for named in cases}
        seen: dict[str, list[str]] = {}

        def look() -> bool | None:
            seen.update({name: [line for page in pages for line in _lines(page, name)] for name in expected})
            return seen == expected or None

        until("the series of all cases at the gateways", look, 30, lambda: f"last seen: {seen}\n{agent.tail()}")


def _lines(page: int, namespace: str) -> list[str]:
    samples, types = read_page(page)
    return exposition.lines(of_namespace(samples, namespace), types)


def test_who_is_let_in(tiers: Tiers, prometheus: Prometheus) -> None:
    """A gateway wants TLS and the token; an agent with another one drops, as OTLP has it, and counts it."""
    ledger = Ledger(tiers, prometheus, "let-in")
    with tiers.gateway("gateway-0") as gateway:
        address = f"127.0.0.1:{tiers.listen('gateway-0').otlp_http}/v1/metrics"
        trusted = ssl.create_default_context(cafile=str(tiers.folder / "ca.crt"))
        assert _post(f"https://{address}", f"Bearer {TOKEN}", trusted) == 200
        assert _post(f"https://{address}", "Bearer another", trusted) == 401
        assert _post(f"https://{address}", "", trusted) == 401
        assert _post(f"http://{address}", f"Bearer {TOKEN}") == 400
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            _post(f"https://{address}", f"Bearer {TOKEN}", ssl.create_default_context())
        with tiers.agent(["gateway-0"], token="another") as agent:
            ledger.run(2, JOBS[:1])
            metrics = tiers.listen("agent").metrics
            until(
                "the agent to count what it dropped",
                lambda: (
                    True if Telemetry(metrics, []).value("otelcol_exporter_send_failed_metric_points") == 2 else None
                ),
                30,
                agent.tail,
            )
        assert ledger.counted() == {}
        assert TOKEN not in gateway.tail(1000) + agent.tail(1000)


def _post(url: str, authorization: str, trusted: ssl.SSLContext | None = None) -> int:
    headers = {"Content-Type": "application/json", "Authorization": authorization}
    request = urllib.request.Request(url, b"{}", headers)
    try:
        with urllib.request.urlopen(request, timeout=10, context=trusted) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
