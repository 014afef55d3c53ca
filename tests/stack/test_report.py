"""The tables that `batchtel demo` prints."""

from __future__ import annotations

import io

from rich.console import Console

from batchtel_dashboards.stores import Firing, Record, Span
from batchtel_stack.demo import report
from batchtel_stack.demo.one_run import OneRun
from batchtel_stack.demo.play import Outcome


def test_alerts_are_listed_with_their_reason() -> None:
    """A line for each, by name and job; no alert is a line, too."""
    texts = {"summary": "load: a run is lost", "description": "1 runs started."}
    firing = [Firing("BatchRunLost", {"job_name": name}, texts) for name in ("load", "dump")]
    line = "  BatchRunLost: load: a run is lost. 1 runs started."
    assert report.alerts(firing) == ["these alerts fire:", line, line]
    assert report.alerts([]) == ["no alert fires"]


def test_text_of_a_job_is_shown_unchanged() -> None:
    """Brackets of log lines and attributes are text, not markup of the terminal."""
    line, attribute = "loaded [/data/in] and [bold]more", "[/x]"
    span = Span("1" * 32, "2" * 16, "", "batch_job.etl", 0, 1_000_000, {"batch.schema.version": attribute})
    run = OneRun("VictoriaLogs", "Jaeger", "run-1", "1" * 32, [Record(0, line, {})], [span])
    printed = io.StringIO()
    report.show(Outcome((), [], runs=(run,)), Console(file=printed, width=120))
    assert f"00:00:00.000 {line}\n" in printed.getvalue()
    assert f"batch_job.etl 1 ms, schema.version={attribute}\n" in printed.getvalue()
