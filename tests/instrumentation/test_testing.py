"""The testing module, used as users use it."""

from __future__ import annotations

import logging

import pytest

import batchtel
from batchtel.testing import Captured, capture

pytest_plugins = ["batchtel.testing.fixture"]


def test_shows_every_signal_of_a_run(captured: Captured) -> None:
    """Spans, events, log records and all three kinds of metric are captured with their labels."""
    with batchtel.job("load", type="etl") as job:
        with batchtel.step("extract") as step:
            step.records(read=3)
        logging.getLogger("load").error("half way")
        job.records(processed=2, failed=1)
        job.quality(0.9)

    assert captured.counter("batch.job.records.processed", job_name="load", job_type="etl") == 2
    assert captured.counter("batch.job.completions", status="success") == 1
    assert captured.counter("batch.job.completions", status="failure") == 0
    assert captured.histogram("batch.job.data_quality.score") == (1, 0.9)
    assert captured.event("batch.run.finished")["batch.records.failed"] == 1
    parent, child = captured.span("batch_job.load"), captured.span("batch_step.extract")
    assert parent.context is not None
    assert child.parent is not None
    assert child.parent.span_id == parent.context.span_id
    assert [record.body for record in captured.logs if not record.event_name] == ["half way"]
    running, success = (captured.maximum("batch.job.state.timestamp", state=state) for state in ("running", "success"))
    assert running is not None
    assert success is not None
    assert success >= running
    assert {"job_name": "load", "job_type": "etl", "step_name": "extract"} in captured.series("batch.step.records.read")


def test_begins_with_nothing(captured: Captured) -> None:
    """A capture has nothing of the one before it, and the error for a missing name lists those that are there."""
    with batchtel.job("other"):
        pass
    assert [span.name for span in captured.spans] == ["batch_job.other"]
    with pytest.raises(
        AssertionError, match=r"^expected one span 'batch_job.load', found 0; there are: batch_job.other$"
    ):
        captured.span("batch_job.load")


def test_ends_with_its_block() -> None:
    """After the block nothing is captured any more."""
    with capture() as captured, batchtel.job("inside"):
        pass
    with batchtel.job("outside"):
        pass
    assert [span.name for span in captured.spans] == ["batch_job.inside"]
