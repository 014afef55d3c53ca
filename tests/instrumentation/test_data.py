"""What a run reports of its data: whether there were records, how new it is, where it came from and went to."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import batchtel
from batchtel.runs.run_data import Data
from batchtel.schema.signals import RECORDS_OUTCOMES
from batchtel.testing import Captured
from tests.support.process import run, succeed
from tests.support.sink import Sink

pytest_plugins = ["batchtel.testing.fixture"]

OUTCOMES = {
    # processed, failed, minimum of the catalogue: outcome, and what the record shows as processed and failed
    "never reported": (None, None, None, "unknown", None, None),
    "only failures reported": (None, 3, None, "unknown", None, 3),
    "no number": (-1, "many", None, "unknown", None, None),
    "no number among numbers": (2, float("nan"), None, "sufficient", 2, 0),
    "none": (0, None, None, "zero", 0, 0),
    "none, and failures": (0, 5, None, "zero", 0, 5),
    "none, where some are wanted": (0, None, 10, "zero", 0, 0),
    "one": (1, None, None, "sufficient", 1, 0),
    "one less than wanted": (9, None, 10, "insufficient", 9, 0),
    "as many as wanted": (10, None, 10, "sufficient", 10, 0),
}


@pytest.mark.parametrize("case", OUTCOMES)
def test_whether_there_were_records(case: str) -> None:
    """Zero, too few, and never reported are three facts, each with a value of its own."""
    processed, failed, minimum, outcome, shown_processed, shown_failed = OUTCOMES[case]
    data = Data()
    data.minimum = minimum
    data.count(processed, failed)
    attributes = data.attributes()
    assert attributes["batch.records.outcome"] == outcome in RECORDS_OUTCOMES
    assert attributes.get("batch.records.processed") == shown_processed
    assert attributes.get("batch.records.failed") == shown_failed


def test_green_runs_differ(captured: Captured) -> None:
    """Of three runs that end as success, span and audit record show which had no records and which reported none."""
    with batchtel.job("green_zero") as job:
        job.records(processed=0)
    with batchtel.job("green_silent"):
        pass
    with batchtel.job("good") as job:
        job.records(processed=2)
        job.records(processed=0, failed=1)
    found = {event["batch.job.name"]: event for event in captured.events("batch.run.finished")}
    assert {event["batch.status"] for event in found.values()} == {"success"}
    outcomes = {name: event["batch.records.outcome"] for name, event in found.items()}
    assert outcomes == {"green_zero": "zero", "green_silent": "unknown", "good": "sufficient"}
    for name, outcome in outcomes.items():
        attributes = captured.span(f"batch_job.{name}").attributes or {}
        assert attributes["batch.records.outcome"] == outcome
    assert found["good"]["batch.records.failed"] == 1
    assert "batch.records.processed" not in found["green_silent"]


def test_a_step_shows_what_it_was_given(captured: Captured) -> None:
    """A step that never reported what it wrote shows nothing of it, and one that wrote none shows 0."""
    with batchtel.job("partly"):
        with batchtel.step("first") as step:
            step.records(read=3)
        with batchtel.step("second") as step:
            step.records(written=0)
    shown = [
        {key: value for key, value in event.items() if key.startswith("batch.records.")}
        for event in captured.events("batch.step.finished")
    ]
    assert shown == [{"batch.records.read": 3}, {"batch.records.written": 0}]


def test_too_few_by_the_catalogue(captured: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the catalogue wants ten records, nine are insufficient, and none are still zero."""
    catalogue = tmp_path / "jobs.toml"
    catalogue.write_text("[jobs.wanting.sla]\nmin_records = 10\n")
    monkeypatch.setenv("BATCHTEL_CATALOGUE", str(catalogue))
    for processed in (0, 9, 10):
        with batchtel.job("wanting") as job:
            job.records(processed=processed)
    outcomes = [event["batch.records.outcome"] for event in captured.events("batch.run.finished")]
    assert outcomes == ["zero", "insufficient", "sufficient"]


PART = """
import os, subprocess, sys, batchtel
code = sys.argv[1]
with batchtel.job("parts") as job:
    exec(code)
"""

WHOLE = """
    import os, subprocess, sys, batchtel
    part, code = sys.argv[1:]
    with batchtel.job("parts"):
        subprocess.run([sys.executable, part, code], check=True)
    with batchtel.job("parts") as job:
        if (child := os.fork()) == 0:
            exec(code)
            os._exit(0)
        os.waitpid(child, 0)
    command = [sys.executable, "-c", "from batchtel.cli.main import main; main()"]
    subprocess.run([*command, "run", "--job", "parts", "--", sys.executable, part, code], check=True)
    """


@pytest.mark.parametrize(
    ("code", "outcome"),
    [("job.records(processed=2)", "sufficient"), ("job.records(processed=0)", "zero"), ("pass", "unknown")],
)
def test_other_processes_of_a_run_add_records(sink: Sink, tmp_path: Path, code: str, outcome: str) -> None:
    """What a joining program, a forked child and the code below `batchtel run` report decides how their run counts."""
    part = tmp_path / "part.py"
    part.write_text(PART)
    succeed(WHOLE, sink, str(part), code)
    finished = sink.events("batch.run.finished")
    assert [event.attributes["batch.records.outcome"] for event in finished] == [outcome] * 3
    assert not any("batch.records.processed" in event.attributes for event in finished), "each count is reported once"
    spans = [span for span in sink.spans() if span.name == "batch_job.parts"]
    assert [span.attributes["batch.records.outcome"] for span in spans] == [outcome] * 3


WATERMARKS: dict[str, datetime | float | str] = {
    "aware datetime": datetime(2026, 3, 1, 22, 30, tzinfo=UTC),
    "another zone": datetime(2026, 3, 2, 0, 30, tzinfo=timezone(timedelta(hours=2))),
    "Unix seconds": 1772404200,
    "ISO 8601": "2026-03-01T22:30:00Z",
}


@pytest.mark.parametrize("form", WATERMARKS)
def test_the_newest_data(captured: Captured, form: str) -> None:
    """A watermark is one point in time, in whichever form; an older one after it changes nothing."""
    with batchtel.job("dated") as job:
        job.watermark(1600000000)
        job.watermark(WATERMARKS[form])
        job.watermark(1500000000)
        assert job.newest_data == 1772404200
    assert captured.event("batch.run.finished")["batch.data.timestamp"] == "2026-03-01T22:30:00.000+00:00"
    assert (captured.span("batch_job.dated").attributes or {})[
        "batch.data.timestamp"
    ] == "2026-03-01T22:30:00.000+00:00"
    assert captured.maximum("batch.job.data.timestamp", job_name="dated") == 1772404200


def test_the_newest_data_of_several_runs(captured: Captured) -> None:
    """A run over older data, as a backfill is, does not lower how new the data of the job is."""
    for moment in (1700000000, 1600000000):
        with batchtel.job("refilled") as job:
            job.watermark(moment)
    assert captured.maximum("batch.job.data.timestamp", job_name="refilled") == 1700000000
    first, second = captured.events("batch.run.finished")
    assert first["batch.data.timestamp"] > second["batch.data.timestamp"]


def test_a_run_without_a_watermark(captured: Captured) -> None:
    """Where nothing was reported of the data's age there is no attribute and no series."""
    with batchtel.job("undated") as job:
        assert job.newest_data is None
    assert "batch.data.timestamp" not in captured.event("batch.run.finished")
    assert captured.series("batch.job.data.timestamp") == []


NO_TIMES = {
    "no timezone": (datetime(2026, 3, 1), "watermark 2026-03-01 00:00:00 has no timezone"),
    "before 1970": (datetime(1969, 1, 1, tzinfo=UTC), "watermark 1969-01-01 00:00:00+00:00 is before 1970"),
    "the end of time": (datetime(9999, 12, 31, tzinfo=UTC), "after tomorrow; it is not recorded"),
    "milliseconds": (1772404200000, "watermark=1772404200000 is not a time"),
    "text": ("yesterday", "watermark=yesterday is not a time"),
    "an object": (object(), "is not a time"),
}


@pytest.mark.parametrize("kind", NO_TIMES)
def test_no_time(
    captured: Captured, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """What is no time of data is left out with one warning, and what was reported before stays."""
    monkeypatch.setattr("batchtel.base.guard._reported", set())
    given, message = NO_TIMES[kind]
    now = time.time()
    with caplog.at_level(logging.WARNING, "batchtel"), batchtel.job("odd") as job:
        job.watermark(now)
        for _ in range(3):
            job.watermark(given)  # type: ignore[arg-type]  # what users do
        assert job.newest_data == now
    messages = [record.getMessage() for record in caplog.records if "watermark" in record.getMessage()]
    assert len(messages) == 1
    assert message in messages[0]


def test_where_the_data_came_from_and_went_to(captured: Captured) -> None:
    """Inputs and outputs of run and step are lists on span and audit record, in order, each once."""
    with batchtel.job("copied") as job:
        job.inputs("s3://landing/2026-03-01", "shop.orders")
        job.inputs("shop.orders", Path("/srv/prices.csv"))
        job.outputs("warehouse.orders")
        with batchtel.step("load") as step:
            step.inputs("staging.orders")
            step.outputs("postgresql://etl:hunter2@db/shop")
            step.set(partition="2026-03-01")
    run_event, step_event = captured.event("batch.run.finished"), captured.event("batch.step.finished")
    assert list(run_event["batch.inputs"]) == ["s3://landing/2026-03-01", "shop.orders", "/srv/prices.csv"]
    assert list(run_event["batch.outputs"]) == ["warehouse.orders"]
    assert list(step_event["batch.inputs"]) == ["staging.orders"]
    assert list(step_event["batch.outputs"]) == ["postgresql://etl:[redacted]@db/shop"]
    assert step_event["partition"] == "2026-03-01"
    for name, event in (("batch_job.copied", run_event), ("batch_step.load", step_event)):
        attributes: Mapping[str, Any] = captured.span(name).attributes or {}
        for key in ("batch.inputs", "batch.outputs"):
            assert list(attributes[key]) == list(event[key])
    assert not any("inputs" in str(labels) for labels in captured.series("batch.job.completions"))


def test_names_are_bounded(sink: Sink) -> None:
    """A run keeps 100 names of inputs, cut at 256 characters; what is no name is left out, each with one warning."""
    finished = run(
        """
        import batchtel
        with batchtel.job("wide") as job:
            job.outputs("x" * 1000, ["a", "b"], None, "", b"bytes")
            for number in range(1000):
                job.inputs(f"table_{number}")
        """,
        sink,
    )
    assert (finished.code, finished.stdout) == (0, "")
    assert sorted(finished.stderr.splitlines()) == [
        "inputs(): a run or step keeps 100 names; table_100 is left out",
        "outputs(): ['a', 'b'] is not a name; give each name as text of its own",
    ]
    attributes = sink.event("batch.run.finished").attributes
    assert attributes["batch.inputs"] == [f"table_{number}" for number in range(100)]
    [output] = attributes["batch.outputs"]
    assert len(output) < 300
    assert output.startswith("xxx")


def test_steps_of_an_etl_bear_the_names_of_the_trade(captured: Captured) -> None:
    """The steps extract, transform and load report their counts under those names too; other steps do not."""
    with batchtel.job("etl") as job:
        for name in ("extract", "transform", "load", "check"):
            with batchtel.step(name) as step:
                step.records(read=5, written=3, failed=2)
        job.records(processed=3)
    counts = {"batch.records.read": 5, "batch.records.written": 3, "batch.records.failed": 2}
    reported = {
        str(event["batch.step.name"]): {key: value for key, value in event.items() if key.startswith("batch.records.")}
        for event in captured.events("batch.step.finished")
    }
    assert reported == {
        "extract": counts | {"batch.records.extracted": 5},
        "transform": counts | {"batch.records.transformed": 3, "batch.records.transform_errors": 2},
        "load": counts | {"batch.records.loaded": 3},
        "check": counts,
    }
    assert captured.event("batch.run.finished")["batch.total_records_processed"] == 3
