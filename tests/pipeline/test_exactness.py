"""Thirty thousand runs of twenty writers whose clocks are up to an hour off, and the obvious pipeline beside ours."""

from __future__ import annotations

import time
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

from tests.pipeline import exposition, writers
from tests.pipeline.bench import Bench, Collector, of_namespace
from tests.pipeline.conftest import BOTH, Start
from tests.support import otlp
from tests.support.polling import until

_LABELS = 'job="etl",job_name="one_shot",job_type="batch",status="success"'


def _lines(bench: Bench, namespace: str) -> list[str]:
    samples, types = bench.page()
    return exposition.lines(of_namespace(samples, namespace), types)


@BOTH
def test_every_run_is_counted_once(start: Start, aggregation: str) -> None:
    """20 writers x 1,500 one-shot jobs, delta and cumulative mixed, clocks off by up to an hour, count as 30,000."""
    total = writers.WRITERS * writers.JOBS
    assert total == 30_000
    with start({"aggregation": aggregation}) as bench:
        failures = writers.flood(bench.listen.otlp_http, "flood")
        assert failures == []
        bench.settle()
        assert _lines(bench, "flood") == [
            f"batch_job_completions_total{{{_LABELS}}} {total}",
            f"batch_job_duration_seconds{{{_LABELS}}} count={total} sum={total * 2} 5:{total}",
        ]
        telemetry = bench.telemetry()
        assert not +telemetry.refused()
        assert bench.is_exact or not +telemetry.dropped()
        assert telemetry.errors() == []


@BOTH
def test_one_request_of_many_points(start: Start, aggregation: str) -> None:
    """All points of two resources in one request are added, though each needs longer than a clock's tick to order."""
    with start({"aggregation": aggregation}) as bench:
        sender = otlp.Sender(bench.listen.otlp_http)
        with closing(sender):
            answer = sender.send("/v1/metrics", writers.batched("batched", resources=2, points=20_000), otlp.PROTOBUF)
        assert answer[0] == 200, answer
        bench.settle()
        assert _lines(bench, "batched") == [f"batch_job_completions_total{{{_LABELS}}} 40000"]


def _cumulative(started: int, job: str, value: int, offset: int) -> dict[str, Any]:
    point = {"attributes": {"job_name": job}, "asInt": str(value)}
    point |= {
        "startTimeUnixNano": str((started + offset) * 10**9),
        "timeUnixNano": str(time.time_ns() + offset * 10**9),
    }
    total = {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": [point]}
    resource = {"service.name": "etl", "service.namespace": "sweep"}
    body = otlp.request(resource, {}, "metrics", [{"name": "batch.job.retries", "unit": "{retry}", "sum": total}])
    expanded: dict[str, Any] = otlp.expand(body, started, 0, "sweep")
    return expanded


def test_a_clock_that_is_behind_is_not_forgotten(start: Start) -> None:
    """With stock a cumulative job that reports is not forgotten, and counted again, because of its clock."""

    def impatient(collector: Collector) -> str:
        text = collector.rendered({"aggregation": "stock"})
        assert "max_staleness: 2h" in text
        return text.replace("max_staleness: 2h", "max_staleness: 3s")

    with start(configuration=impatient) as bench:
        reports = count(1)
        assert bench.send(_cumulative(bench.now, "idle", 1, 0))[0] == 200
        assert bench.send(_cumulative(bench.now, "behind", next(reports), -writers.CLOCK_ERROR))[0] == 200
        assert bench.telemetry().value("otelcol_cumulativetodelta_streams_tracked") == 2

        def swept() -> bool | None:
            assert bench.send(_cumulative(bench.now, "behind", next(reports), -writers.CLOCK_ERROR))[0] == 200
            return True if bench.telemetry().value("otelcol_cumulativetodelta_streams_tracked") == 1 else None

        until("the collector to forget the idle stream", swept, 60, bench.program.tail)
        last = next(reports)
        assert bench.send(_cumulative(bench.now, "behind", last, -writers.CLOCK_ERROR))[0] == 200
        bench.settle()
        assert f'batch_job_retries_total{{job="etl",job_name="behind"}} {last}' in _lines(bench, "sweep")


def _obvious(collector: Collector) -> str:
    """Return the configuration that anybody would write first, on the bench's ports."""
    text = (Path(__file__).parent / "obvious.yaml").read_text(encoding="utf-8")
    for name, port in vars(collector.listen).items():
        text = text.replace(f"PORT_{name.upper()}", str(port))
    return text


def test_the_obvious_pipeline_loses_runs(start: Start) -> None:
    """The obvious pipeline counts less than half of the runs that ours counts exactly, and no sender gets an error."""
    with start(configuration=_obvious) as bench:
        failures = writers.flood(bench.listen.otlp_http, "flood", jobs=100)
        assert failures == []
        samples, _ = bench.page()
        counted = sum(sample.value for sample in samples if sample.name == "batch_job_completions_total")
        assert counted < writers.WRITERS * 100 / 2


def _without_sums(collector: Collector) -> str:
    """Return the obvious configuration that leaves the aggregation to the prometheus exporter, which accepts deltas."""
    text = _obvious(collector)
    return text.replace("  delta_to_cumulative: {}", "  batch: {timeout: 1ms}").replace(
        "[transform, delta_to_cumulative]", "[transform, batch]"
    )


def test_an_exporter_that_adds_up_dies_of_one_point(start: Start) -> None:
    """One histogram with fewer bucket counts than bounds + 1 ends the process whose exporter adds it up."""
    with start(configuration=_without_sums) as bench:
        for counts, first, last in (["1"], "1", "2"), (["1", "0", "0"], "2", "3"):
            point = {"count": "1", "sum": 1, "explicitBounds": [1, 2], "bucketCounts": counts}
            point |= {"startTimeUnixNano": first, "timeUnixNano": last}
            metric = {"name": "shop.latency", "histogram": {"aggregationTemporality": 1, "dataPoints": [point]}}
            assert bench.send({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]})[0] == 200
        until("the collector to end", lambda: bench.program.exit_code, 30, bench.program.tail)
        assert "panic: runtime error: index out of range" in bench.program.log.read_text()
