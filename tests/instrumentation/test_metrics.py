"""The metrics that leave a job: deltas of sums, and maxima."""

from __future__ import annotations

import time
from functools import partial

import batchtel
from batchtel.schema.signals import METRICS, Metric
from batchtel.testing import Captured
from tests.support.polling import until
from tests.support.process import start, succeed
from tests.support.sink import Point, Sink

pytest_plugins = ["batchtel.testing.fixture"]

JOB = """
    import batchtel
    with batchtel.job("nightly", type="etl", attempt=2) as job:
        with batchtel.step("load") as step:
            step.records(read=10, written=7, failed=1)
            step.records(read=5)
            step.failed_record("row", "broken")
        job.records(processed=8, failed=2)
        job.failed_record("row", ValueError("broken"))
        job.quality(0.93, schema_version="3")
    try:
        with batchtel.job("nightly", type="etl"), batchtel.step("load"):
            raise KeyError("no")
    except KeyError:
        pass
    """

COUNTS = {
    "batch.job.runs.started": 2,
    "batch.job.records.processed": 8,
    "batch.job.records.failed": 3,
    "batch.job.retries": 1,
    "batch.step.runs.started": 2,
    "batch.step.records.read": 15,
    "batch.step.records.written": 7,
    "batch.step.records.failed": 2,
}


def _row(point: Point) -> Metric:
    return next(row for row in METRICS if row.name == point.metric)


def test_points_are_those_of_the_table(sink: Sink) -> None:
    """Names, kinds, units, bounds and attribute keys of all points are the table's; counters and histograms deltas."""
    succeed(JOB, sink)
    assert set(COUNTS) < {point.metric for point in sink.points()} <= {row.name for row in METRICS}
    kinds = {
        "counter": ("sum", "DELTA", True),
        "histogram": ("histogram", "DELTA", False),
        "maximum": ("gauge", "UNSPECIFIED", False),
    }
    for point in sink.points():
        row = _row(point)
        assert (point.kind, point.temporality, point.monotonic) == kinds[row.kind], point
        assert point.unit == row.unit, point
        assert tuple(point.bounds) == row.bounds, point
        without_error = [key for key in row.attributes if key != "error_type"]
        expected = row.attributes if point.attributes.get("status") == "failure" else without_error
        with_status_only = row.name.endswith("duration")
        assert list(point.attributes) == list(without_error if with_status_only else expected), point


def test_counts_are_exact(sink: Sink) -> None:
    """Every count of a short process arrives once, over all its exports."""
    before = time.time()
    succeed(JOB, sink)
    for name, count in COUNTS.items():
        assert sink.total(name, job_name="nightly", job_type="etl") == count, name
    for level in ("job", "step"):
        assert sink.total(f"batch.{level}.completions", status="success") == 1
        assert sink.total(f"batch.{level}.completions", status="failure", error_type="KeyError") == 1
        assert sink.total(f"batch.{level}.duration") == 2
        for point in sink.points(f"batch.{level}.state.timestamp"):
            assert before <= point.value <= time.time()
        states = {point.attributes["state"] for point in sink.points(f"batch.{level}.state.timestamp")}
        assert states == {"running", "success", "failure"}
    [score] = sink.points("batch.job.data_quality.score")
    assert (score.value, score.sum, score.buckets) == (1, 0.93, [0, 0, 0, 1, 0, 0, 0])
    assert sum(point.sum for point in sink.points("batch.job.duration")) >= sum(
        point.sum for point in sink.points("batch.step.duration")
    )


def test_zeros_come_first(sink: Sink) -> None:
    """Every counter of a job and a step starts with 0, once a process, so that the first increment is visible."""
    succeed(JOB, sink)
    expected: dict[str, list[dict[str, str]]] = {}
    for level, labels in (
        ("job", {"job_name": "nightly", "job_type": "etl"}),
        ("step", {"job_name": "nightly", "job_type": "etl", "step_name": "load"}),
    ):
        for name in COUNTS:
            if name.startswith(f"batch.{level}."):
                expected[name] = [labels]
        expected[f"batch.{level}.completions"] = [
            {**labels, "status": "success"},
            {**labels, "status": "failure", "error_type": "unknown"},
        ]
    expected["batch.job.cpu.time"] = [{"job_name": "nightly", "job_type": "etl"}]
    for name, attribute_sets in expected.items():
        for attributes in attribute_sets:
            values = [point.value for point in sink.points(name) if point.attributes == attributes]
            assert values[0] == 0, (name, attributes, values)
            assert values.count(0) == 1, (name, attributes, values)


def test_a_sum_beyond_64_bits_keeps_the_others(captured: Captured) -> None:
    """OTLP has 64 bits for a whole number: a sum that needs more is a double, and no other metric is lost with it."""
    with batchtel.job("vast") as job:
        for _ in range(1025):
            job.records(processed=2**53)
        job.records(failed=3)
    assert captured.counter("batch.job.records.processed") == 1025.0 * 2**53
    assert captured.counter("batch.job.records.failed") == 3


def test_a_loop_of_runs_loses_nothing(sink: Sink) -> None:
    """600 runs in one process, of 60 jobs, are all counted: no queue is too short for them."""
    succeed(
        """
        import batchtel
        for number in range(600):
            with batchtel.job(f"loop_{number % 60}") as job, batchtel.step("only") as step:
                job.records(processed=1)
                step.records(read=1)
        """,
        sink,
    )
    for name in ("batch.job.runs.started", "batch.job.completions", "batch.job.records.processed"):
        assert sink.total(name) == 600, name
    for name in ("batch.step.runs.started", "batch.step.completions", "batch.step.records.read"):
        assert sink.total(name) == 600, name
    assert len(sink.events("batch.run.finished")) == 600
    assert len(sink.spans()) == 1200


def test_zeros_leave_while_the_run_is_open(sink: Sink) -> None:
    """The zeros are sent in an export of their own right after the start, not at the end."""
    script = """
        import sys, batchtel
        with batchtel.job("long") as job:
            job.records(processed=1)
            sys.stdin.read()
        """
    with start(script, sink) as process:
        sink.wait_event("batch.run.started")
        until("the zeros", lambda: sink.points("batch.job.completions") or None, 20, lambda: str(sink.requests))
        assert sink.total("batch.job.completions") == 0
        process.communicate("", timeout=20)
    assert sink.total("batch.job.completions", status="success") == 1
    assert sink.total("batch.job.records.processed") == 1


def _counted(sink: Sink, count: int) -> bool | None:
    return sum(point.value for point in sink.points("batch.job.records.processed")) >= count or None


def test_the_interval_is_honoured(sink: Sink) -> None:
    """OTEL_METRIC_EXPORT_INTERVAL decides how soon a running job's counts arrive, and no increment is sent twice."""
    script = """
        import sys, batchtel
        with batchtel.job("steady") as job:
            print("open", flush=True)
            for line in sys.stdin:
                job.records(processed=1)
        """
    with start(script, sink, OTEL_METRIC_EXPORT_INTERVAL="50") as process:
        assert process.stdin is not None
        for count in (1, 2, 3):
            process.stdin.write("\n")
            process.stdin.flush()
            until(f"the count {count} while the job runs", partial(_counted, sink, count), 10)
        process.communicate(timeout=20)
    assert sink.total("batch.job.records.processed") == 3
    assert sink.total("batch.job.runs.started") == 1


def test_exemplars_carry_the_trace_of_the_run(sink: Sink) -> None:
    """A point on the duration panel leads to the trace of its run."""
    succeed(JOB, sink)
    traces = {span.trace_id for span in sink.spans() if span.name == "batch_job.nightly"}
    assert len(traces) == 2
    for name in ("batch.job.duration", "batch.job.completions", "batch.job.data_quality.score"):
        found = {trace for point in sink.points(name) for trace in point.exemplar_trace_ids}
        assert found, name
        assert found <= traces, name


def test_the_resource_carries_what_becomes_a_label(sink: Sink) -> None:
    """service.name and the resource attributes of the variables are on all three signals."""
    resource = "service.namespace=shop,deployment.environment.name=production"
    succeed(JOB, sink, OTEL_SERVICE_NAME="etl", OTEL_RESOURCE_ATTRIBUTES=resource)
    expected = {
        "service.name": "etl",
        "service.namespace": "shop",
        "deployment.environment.name": "production",
    }
    metrics = [
        {pair.key: pair.value.string_value for pair in resource.resource.attributes}
        for message in sink.of("metrics")
        for resource in message.resource_metrics
    ]
    found = metrics + [span.resource for span in sink.spans()] + [log.resource for log in sink.logs()]
    assert metrics
    for resource_attributes in found:
        assert expected.items() <= resource_attributes.items()
