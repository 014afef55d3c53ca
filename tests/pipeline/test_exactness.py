"""Thirty thousand runs of twenty writers whose clocks are up to an hour off, and the obvious pipeline beside ours."""

from __future__ import annotations

from pathlib import Path

from tests.pipeline import exposition, writers
from tests.pipeline.bench import Bench, Listen, of_namespace
from tests.pipeline.conftest import Start
from tests.pipeline.polling import until

_LABELS = 'job="etl",job_name="one_shot",job_type="batch",status="success"'


def _lines(bench: Bench, namespace: str) -> list[str]:
    samples, types = bench.page()
    return exposition.lines(of_namespace(samples, namespace), types)


def test_every_run_is_counted_once(start: Start) -> None:
    """20 writers x 1,500 one-shot jobs, delta and cumulative mixed, clocks off by up to an hour, count as 30,000."""
    total = writers.WRITERS * writers.JOBS
    assert total == 30_000
    with start() as bench:
        failures = writers.flood(bench.listen.otlp_http, "flood")
        assert failures == []
        bench.settle()
        assert _lines(bench, "flood") == [
            f"batch_job_completions_total{{{_LABELS}}} {total}",
            f"batch_job_duration_seconds{{{_LABELS}}} count={total} sum={total * 2} 5:{total}",
        ]
        telemetry = bench.telemetry()
        assert not +telemetry.taken_away()
        assert telemetry.errors() == []


def _obvious(listen: Listen) -> str:
    """Return the configuration that anybody would write first, on the bench's ports."""
    text = (Path(__file__).parent / "obvious.yaml").read_text(encoding="utf-8")
    for name, port in vars(listen).items():
        text = text.replace(f"PORT_{name.upper()}", str(port))
    return text


def test_the_obvious_pipeline_loses_runs(start: Start) -> None:
    """The obvious pipeline counts less than half of the runs that ours counts exactly, and tells no sender."""
    with start(configuration=_obvious) as bench:
        failures = writers.flood(bench.listen.otlp_http, "flood", jobs=100)
        assert failures == []
        samples, _ = bench.page()
        counted = sum(sample.value for sample in samples if sample.name == "batch_job_completions_total")
        assert counted < writers.WRITERS * 100 / 2


def _without_sums(listen: Listen) -> str:
    """Return the obvious configuration that leaves adding up to the prometheus exporter, which takes deltas."""
    text = _obvious(listen)
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
