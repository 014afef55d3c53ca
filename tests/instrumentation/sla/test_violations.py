"""What leaves a run that violates its SLA: the counter, the event, the record of the run; each once."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import batchtel
from batchtel.schema.signals import VIOLATION_TYPES
from batchtel.testing import Captured

pytest_plugins = ["batchtel.testing.fixture"]

Write = Callable[[str], Path]

VIOLATIONS = "batch.job.sla.violations"


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """A function that writes a catalogue and lets BATCHTEL_CATALOGUE name it."""
    file = tmp_path / "jobs.toml"

    def write(text: str) -> Path:
        file.write_text(textwrap.dedent(text))
        monkeypatch.setenv("BATCHTEL_CATALOGUE", str(file))
        return file

    monkeypatch.setattr("batchtel.base.guard._reported", set())
    return write


def all_rules(late: bool) -> str:
    """Return an SLA of all rules that is violated, or kept, by the run below."""
    limits = ("0.000001s", "0.1", "100", "1h") if late else ("1h", "0.5", "10", "9d")
    return """
        [jobs.nightly]
        type = "etl"
        [jobs.nightly.sla]
        max_duration = "{}"
        max_failure_rate = {}
        min_records = {}
        max_data_age = "{}"
        must_complete_by.time = "{}"
        """.format(*limits, (datetime.now(UTC) - timedelta(minutes=1)).strftime("%H:%M"))


def nightly(scheduled: datetime) -> None:
    """Run a job of 10 good records and 10 bad ones, with data of two days ago."""
    with batchtel.job("nightly", scheduled_at=scheduled) as job:
        job.records(processed=10, failed=10)
        job.watermark(datetime.now(UTC) - timedelta(days=2))


def test_a_run_that_violates_all(captured: Captured, catalogue: Write) -> None:
    """Each violation is one increment, one warning with limit and observation, and a name in the run's record."""
    catalogue(all_rules(late=True))
    nightly(datetime.now(UTC) - timedelta(hours=2))
    labels = {"job_name": "nightly", "job_type": "etl"}
    for kind in VIOLATION_TYPES:
        assert captured.counter(VIOLATIONS, **labels, violation_type=kind) == 1, kind
    finished = captured.event("batch.run.finished")
    assert (finished["batch.status"], finished["batch.sla.met"]) == ("success", False)
    assert list(finished["batch.sla.violations"]) == list(VIOLATION_TYPES)
    span = captured.span("batch_job.nightly")
    assert span.attributes is not None
    assert span.attributes["batch.sla.met"] is False
    assert span.attributes["batch.sla.violations"] == VIOLATION_TYPES
    of_span = [dict(event.attributes or {}) for event in span.events if event.name == "batch.sla.violated"]
    events = {event["batch.sla.violation"]: event for event in captured.events("batch.sla.violated")}
    assert [event["batch.sla.violation"] for event in of_span] == list(events) == list(VIOLATION_TYPES)
    assert events["failure_rate_exceeded"]["batch.sla.limit"] == 0.1
    assert events["failure_rate_exceeded"]["batch.sla.observed"] == 0.5
    assert events["insufficient_records"]["batch.run.id"] == finished["batch.run.id"]
    [warning] = [log for log in captured.logs if "insufficient" in str(log.body)]
    assert warning.severity_text == "WARN"
    assert warning.trace_id == span.context.trace_id
    assert warning.body == (
        f"run {finished['batch.run.id']} of nightly violates its SLA: "
        "insufficient_records (10 records processed, at least 100)"
    )


def test_a_run_that_keeps_all(captured: Captured, catalogue: Write) -> None:
    """Its counters are 0 and there, and its record shows that the SLA was met."""
    catalogue(all_rules(late=False))
    nightly(datetime.now(UTC))
    assert captured.counter(VIOLATIONS) == 0
    assert {labels["violation_type"] for labels in captured.series(VIOLATIONS)} == set(VIOLATION_TYPES)
    assert captured.events("batch.sla.violated") == []
    finished = captured.event("batch.run.finished")
    assert finished["batch.sla.met"] is True
    assert "batch.sla.violations" not in finished


RECORDS = """
    [jobs.nightly.sla]
    min_records = 100
    max_failure_rate = 0.01
    """


@pytest.mark.parametrize("read", [0, 500])
def test_a_run_that_reports_records_in_its_steps_only_is_not_judged_by_them(
    captured: Captured, catalogue: Write, read: int
) -> None:
    """What one step writes the next one reads: how many the run has processed is unknown, and no rule is met."""
    catalogue(RECORDS)
    with batchtel.job("nightly"):
        with batchtel.step("extract") as step:
            step.records(read=read, written=read)
        with batchtel.step("load") as step:
            step.records(read=read)
            step.failed_record("row-17", "no customer id")
    finished = captured.event("batch.run.finished")
    assert (finished["batch.records.outcome"], finished["batch.records.failed"]) == ("unknown", 1)
    assert "batch.sla.met" not in finished
    assert captured.events("batch.sla.violated") == []


def test_failed_records_of_steps_are_those_of_the_run(captured: Captured, catalogue: Write) -> None:
    """A record fails in one step only, so they add up; what the run itself reports as failed counts instead."""
    catalogue(RECORDS)
    for own in (None, 1):
        with batchtel.job("nightly") as job:
            for _ in range(2):
                with batchtel.step("load") as step:
                    step.records(written=100, failed=10)
            job.records(processed=200, failed=own)
    by_steps, by_itself = captured.events("batch.run.finished")
    assert (by_steps["batch.records.failed"], by_steps["batch.sla.violations"]) == (20, ("failure_rate_exceeded",))
    assert (by_itself["batch.records.failed"], by_itself["batch.sla.met"]) == (1, True)


def test_steps_of_a_forked_process_are_those_of_the_run(captured: Captured, catalogue: Write) -> None:
    """They are not judged either, wherever they run."""
    catalogue(RECORDS)
    with batchtel.job("nightly"):
        child = os.fork()
        if child == 0:
            with batchtel.step("load") as step:
                step.records(written=200)
            os._exit(0)
        os.waitpid(child, 0)
    assert captured.events("batch.sla.violated") == []
    assert "batch.sla.met" not in captured.event("batch.run.finished")


def test_only_rules_that_there_are_have_series(captured: Captured, catalogue: Write) -> None:
    """A job with one rule has one series; an unknown job, one without an SLA and a paused one have none."""
    catalogue(
        """
        [jobs.one.sla]
        min_records = 5
        [jobs.none]
        team = "sales"
        [jobs.paused]
        paused = true
        sla.min_records = 5
        """
    )
    for name in ("one", "none", "paused", "unknown"):
        with batchtel.job(name):
            pass
    assert captured.series(VIOLATIONS) == [
        {"job_name": "one", "job_type": "batch", "violation_type": "insufficient_records"}
    ]
    assert captured.counter(VIOLATIONS) == 1
    met = {event["batch.job.name"]: event.get("batch.sla.met") for event in captured.events("batch.run.finished")}
    assert met == {"one": False, "none": None, "paused": None, "unknown": None}


@pytest.mark.parametrize(
    ("processed", "violations", "outcome"),
    [(None, 1, "unknown"), (0, 1, "zero"), (4, 1, "insufficient"), (5, 0, "sufficient")],
)
def test_a_loop_over_no_rows_is_too_few(
    captured: Captured, catalogue: Write, processed: int | None, violations: int, outcome: str
) -> None:
    """A run whose code reports no records at all has violated its minimum, though how many they were is unknown."""
    catalogue("[jobs.loads.sla]\nmin_records = 5\n")
    with batchtel.job("loads") as job:
        if processed is not None:
            job.records(processed=processed)
    assert captured.counter(VIOLATIONS, violation_type="insufficient_records") == violations
    assert captured.event("batch.run.finished")["batch.records.outcome"] == outcome


def test_a_skipped_run_had_nothing_to_process(captured: Captured, catalogue: Write) -> None:
    """It owes no records."""
    catalogue("[jobs.loads.sla]\nmin_records = 5\n")
    with batchtel.job("loads") as job:
        job.skipped("no new files")
    assert captured.counter(VIOLATIONS) == 0
    assert captured.event("batch.run.finished")["batch.sla.met"] is True


def test_a_failed_run_owes_the_same(captured: Captured, catalogue: Write) -> None:
    """A run that ends by an exception is judged like any other."""
    catalogue("[jobs.fails.sla]\nmin_records = 5\n")
    with pytest.raises(KeyError), batchtel.job("fails"):
        raise KeyError("k")
    assert captured.counter(VIOLATIONS) == 1


def test_attempts_are_one_run(captured: Captured, catalogue: Write) -> None:
    """With retry() time runs from the first start, each rule counts once, and only the last attempt owes records."""
    catalogue("[jobs.again.sla]\nmin_records = 5\nmax_duration = '0.000001s'\n")
    attempts = []

    @batchtel.retry(attempts=3, delay=0)
    @batchtel.job("again")
    def again() -> None:
        attempts.append(1)
        if len(attempts) < 3:
            raise OSError("not yet")
        batchtel.current_job().records(processed=5)

    again()
    assert len(attempts) == 3
    assert captured.counter(VIOLATIONS, violation_type="duration_exceeded") == 1
    assert captured.counter(VIOLATIONS, violation_type="insufficient_records") == 0
    assert captured.event("batch.run.finished")["batch.sla.violations"] == ("duration_exceeded",)
    assert len(captured.events("batch.attempt.failed")) == 2


@pytest.mark.parametrize(
    ("given", "variable", "expected"),
    [("", "", "report"), ("etl", "", "etl"), ("", "migration", "report"), ("etl", "migration", "etl")],
)
def test_the_catalogue_names_the_type(
    captured: Captured, catalogue: Write, monkeypatch: pytest.MonkeyPatch, given: str, variable: str, expected: str
) -> None:
    """The code comes first, then the catalogue, if it has the job, then BATCHTEL_JOB_TYPE."""
    catalogue("[jobs.typed]\ntype = 'report'\n")
    monkeypatch.setenv("BATCHTEL_JOB_TYPE", variable)
    with batchtel.job("typed", type=given):
        pass
    assert captured.counter("batch.job.completions", job_type=expected) == 1


def test_a_wrong_entry_costs_its_own_job_the_sla(
    captured: Captured, catalogue: Write, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning of the job itself, with its first problems; the other jobs are judged, and warn of nothing."""
    file = catalogue(
        """
        [jobs.a]
        team = 1
        owner = 2
        type = 3
        sla = { min_records = 0 }
        [jobs.b]
        severity = "critical"
        sla.min_records = 1
        [jobs.c.sla]
        min_records = 1
        """
    )
    for name in ("c", "a", "b", "a"):
        with batchtel.job(name):
            pass
    assert captured.counter("batch.job.completions", status="success") == 4
    assert [captured.counter(VIOLATIONS, job_name=name) for name in "abc"] == [0, 1, 1]
    text = 'is not a text of 1 to 120 printable characters; write for example "sales"'
    assert [record.getMessage() for record in caplog.records if record.name == "batchtel"] == [
        f"BATCHTEL_CATALOGUE={file} has 4 problems in the entry of a, so its SLA is not checked: "
        f"line 3: jobs.a.team: 1 {text}; line 4: jobs.a.owner: 2 {text}; line 5: jobs.a.type: 3 {text}; "
        "`batchtel jobs check` shows them all",
        f"BATCHTEL_CATALOGUE={file} has 1 problem in the entry of b: "
        "line 8: jobs.b.severity is not used by this version; remove it",
    ]


def test_a_catalogue_that_is_not_toml(captured: Captured, catalogue: Write, caplog: pytest.LogCaptureFixture) -> None:
    """The job of the broken section reports it, and the others are judged."""
    file = catalogue("[jobs.a.sla]\nmin_records = many\n[jobs.b.sla]\nmin_records = 1\n")
    for name in ("b", "a"):
        with batchtel.job(name):
            pass
    assert [captured.counter(VIOLATIONS, job_name=name) for name in "ab"] == [0, 1]
    assert [record.getMessage() for record in caplog.records if record.name == "batchtel"] == [
        f"BATCHTEL_CATALOGUE={file} has 1 problem in the entry of a, so its SLA is not checked: "
        "line 2: not TOML: Invalid value (column 15)"
    ]


def test_a_missing_catalogue_harms_nothing(
    captured: Captured, catalogue: Write, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning with the file's name."""
    file = catalogue("")
    file.unlink()
    for _ in range(2):
        with batchtel.job("a"):
            pass
    assert captured.counter("batch.job.completions", status="success") == 2
    assert [record.getMessage() for record in caplog.records if record.name == "batchtel"] == [
        f"BATCHTEL_CATALOGUE={file}: No such file or directory; no SLA is checked"
    ]


def test_a_catalogue_that_changes_is_read_again(captured: Captured, catalogue: Write) -> None:
    """A worker that runs for weeks reads what was changed, with its next run."""
    import os

    for number, minimum in enumerate((1, 2), start=1):
        file = catalogue(f"[jobs.a.sla]\nmin_records = {minimum}\n")
        os.utime(file, ns=(number, number))
        with batchtel.job("a") as job:
            job.records(processed=1)
    assert captured.counter(VIOLATIONS) == 1
