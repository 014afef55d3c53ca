"""The wide events: started, finished, failed records."""

from __future__ import annotations

import time
import uuid
from datetime import datetime

from tests.support.process import run, start, succeed
from tests.support.sink import Sink


def test_the_start_is_visible_while_the_job_runs(sink: Sink) -> None:
    """batch.run.started arrives although the job goes on; the other events wait for their ends."""
    script = """
        import sys, batchtel
        with batchtel.job("long", type="etl") as job:
            print(job.run_id, job.trace_id, flush=True)
            sys.stdin.read()
        """
    with start(script, sink) as process:
        event = sink.wait_event("batch.run.started")
        assert process.poll() is None
        assert process.stdout is not None
        run_id, trace_id = process.stdout.readline().split()
        assert event.attributes == {
            "batch.job.name": "long",
            "batch.job.type": "etl",
            "batch.run.id": run_id,
            "batch.run.attempt": 1,
        }
        assert event.trace_id == trace_id
        assert event.body == f"run {run_id} of long started"
        assert uuid.UUID(run_id).version == 7
        assert sink.events("batch.run.finished") == []
        process.communicate("", timeout=20)
    assert process.returncode == 0
    assert sink.event("batch.run.finished").attributes["batch.run.id"] == run_id


def test_the_audit_records(sink: Sink) -> None:
    """Finished events carry every field of the run and the step, and the ids of their spans."""
    succeed(
        """
        import batchtel
        with batchtel.job("audited", type="etl", run_id="r-1", attempt=2) as job:
            with batchtel.step("load") as step:
                step.records(read=10, written=9, failed=1)
            job.records(processed=9, failed=1)
            job.quality(0.9, schema_version=4)
        """,
        sink,
    )
    identity = {
        "batch.job.name": "audited",
        "batch.job.type": "etl",
        "batch.run.id": "r-1",
        "batch.run.attempt": 2,
        "batch.status": "success",
    }
    run = sink.event("batch.run.finished")
    duration = run.attributes.pop("batch.duration")
    assert duration > 0
    assert run.attributes.pop("batch.cpu.time") > 0
    assert run.attributes.pop("batch.memory.peak") > 2**20
    started = datetime.fromisoformat(run.attributes.pop("batch.started_at"))
    assert 0 <= time.time() - started.timestamp() < 60
    assert run.attributes == identity | {
        "batch.records.outcome": "sufficient",
        "batch.records.processed": 9,
        "batch.total_records_processed": 9,
        "batch.records.failed": 1,
        "batch.data_quality.score": 0.9,
        "batch.schema.version": "4",
    }
    assert (run.body, run.severity) == ("run r-1 of audited, attempt 2 ended: success", "INFO")
    step = sink.event("batch.step.finished")
    assert 0 < step.attributes.pop("batch.duration") <= duration
    assert started <= datetime.fromisoformat(step.attributes.pop("batch.started_at"))
    assert step.attributes == identity | {
        "batch.step.name": "load",
        "batch.records.read": 10,
        "batch.records.written": 9,
        "batch.records.loaded": 9,
        "batch.records.failed": 1,
    }
    assert step.body == "step load of audited, run r-1, ended: success"
    for event, span in ((run, sink.span("batch_job.audited")), (step, sink.span("batch_step.load"))):
        assert (event.trace_id, event.span_id) == (span.trace_id, span.span_id)


def test_failed_records_are_logged_up_to_a_limit(sink: Sink) -> None:
    """100 failed records of a run are logged, over its steps together, then one marker; all are counted."""
    succeed(
        """
        import batchtel
        for name in ("many", "few"):
            with batchtel.job(name) as job:
                with batchtel.step("first") as step:
                    for number in range(80 if name == "many" else 2):
                        step.failed_record(number, f"bad {number}")
                with batchtel.step("second") as step:
                    for number in range(80 if name == "many" else 2):
                        step.failed_record(number, ValueError(f"bad {number}"))
                job.failed_record("of the job", "bad")
        """,
        sink,
    )
    many = [event for event in sink.events("batch.record.failed") if event.attributes["batch.job.name"] == "many"]
    assert len(many) == 101
    assert [event.attributes["batch.step.name"] for event in many] == ["first"] * 80 + ["second"] * 21
    assert many[0].body == "record 0 failed: bad 0"
    assert many[0].attributes["batch.record.id"] == "0"
    assert many[0].attributes["exception.message"] == "bad 0"
    assert "exception.type" not in many[0].attributes
    assert many[80].attributes["exception.type"] == "ValueError"
    assert many[100].body == "more than 100 records failed; the rest is counted, not logged"
    assert "batch.record.id" not in many[100].attributes
    assert {event.severity for event in many} == {"WARN"}
    few = [event for event in sink.events("batch.record.failed") if event.attributes["batch.job.name"] == "few"]
    assert len(few) == 5
    assert "batch.step.name" not in few[-1].attributes
    assert sink.total("batch.step.records.failed", job_name="many", step_name="first") == 80
    assert sink.total("batch.step.records.failed", job_name="many", step_name="second") == 80
    assert sink.total("batch.job.records.failed", job_name="many") == 1


def test_events_are_the_same_with_limits_and_without(sink: Sink) -> None:
    """Where a variable limits attributes the SDK applies it; where none does, an event has the same as by the SDK."""
    script = """
        import batchtel
        with batchtel.job("nightly", run_id="r-1") as job, batchtel.step("load") as step:
            step.set({"rows": [1, 2], "text": "x" * 50, "wide": 2**70})
            step.inputs("a", "b")
            step.failed_record("id", "bad")
        """
    seen = []
    for variables in ({}, {"OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT": "100"}):
        sink.requests.clear()
        succeed(script, sink, **variables)
        seen.append([(log.event, log.body, log.severity, dict(log.attributes)) for log in sink.logs()])
    for _, _, _, attributes in (*seen[0], *seen[1]):
        for key in ("batch.duration", "batch.started_at", "batch.cpu.time", "batch.memory.peak"):
            attributes.pop(key, None)
    assert seen[0] == seen[1]
    assert len(seen[0]) == 4
    sink.requests.clear()
    # The SDK warns of what it cuts.
    assert run(script, sink, OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT="20").code == 0
    (finished,) = sink.events("batch.step.finished")
    assert finished.attributes["text"] == "x" * 20
