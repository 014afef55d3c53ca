"""The ways that docs/jobs.md shows for structlog and loguru bring their records to the run, fields included."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.docs.test_jobs_page import blocks
from tests.support.process import run
from tests.support.sink import Sink, running


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A receiver of OTLP over HTTP that answers."""
    with running() as receiver:
        yield receiver


@pytest.mark.parametrize(
    ("library", "fields"),
    [("structlog", {"order": "A17", "minutes": 12}), ("loguru", {"order": "A17"})],
)
def test_records_reach_the_run(sink: Sink, library: str, fields: dict[str, object]) -> None:
    """Message, level, fields, run and trace are those of the call."""
    (code,) = (block for block in blocks("python") if f"import {library}" in block or f"from {library}" in block)
    ended = run(code, sink)
    assert ended.code == 0, ended.stderr
    (record,) = (log for log in sink.logs() if not log.event)
    assert (record.body, record.severity) == ("late", "WARN")
    assert {key: record.attributes.get(key) for key in fields} == fields
    finished = sink.event("batch.run.finished")
    assert record.attributes["batch.run.id"] == finished.attributes["batch.run.id"]
    assert record.trace_id == finished.trace_id
