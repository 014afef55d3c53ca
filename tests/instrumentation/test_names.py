"""Names, counts and scores of every kind: the job goes on, labels stay bounded, one line reports it."""

from __future__ import annotations

import hashlib
import re

import pytest

from tests.support.labels import label_of
from tests.support.process import run
from tests.support.sink import Sink

NAMES = {
    # the name as Python text: what it becomes
    "''": "unknown",
    "'   '": "unknown",
    "'x' * 1_000": label_of("x" * 1_000),
    "'x' * 10_000": label_of(label_of("x" * 10_000, 1024)),
    "'\\u00e9' * 60": "\u00e9" * 60,
    "'\\u00e9' * 61": "\u00e9" * 55 + "-" + hashlib.sha256(("\u00e9" * 61).encode()).hexdigest()[:8],
    "'new\\nline\\r\\n'": "new?line??",
    "'nul\\0byte'": "nul?byte",
    "'\\udce9'": "\\udce9",
    "'caf\\u00e9 \\U0001f600'": "caf\u00e9 \U0001f600",
    "'bidi\\u202edesrever'": "bidi?desrever",
    "None": "None",
    "7": "7",
    "b'bytes'": "b'bytes'",
    "type('Odd', (), {'__str__': lambda self: 1 / 0})()": "<Odd str() failed>",
}

NO_TYPE = {"''", "None"}


@pytest.mark.parametrize("name", NAMES)
def test_any_name(sink: Sink, name: str) -> None:
    """A job, type and step of any name run; labels have 1 to 120 printable bytes; each change is reported once."""
    finished = run(
        """
        import sys, batchtel
        name = eval(sys.argv[1])
        for _ in range(2):
            with batchtel.job(name, type=name), batchtel.step(name):
                print("worked")
        """,
        sink,
        name,
    )
    assert (finished.code, finished.stdout) == (0, "worked\nworked\n")
    assert len(finished.stderr.splitlines()) <= 1, finished.stderr
    label = NAMES[name]
    kind = "batch" if name in NO_TYPE else label
    assert sink.total("batch.step.completions", job_name=label, job_type=kind, step_name=label) == 2
    for point in sink.points():
        for value in point.attributes.values():
            assert 1 <= len(value.encode()) <= 120
            assert value.isprintable()
    assert len(sink.spans()) == 4


def test_a_changed_name_is_reported_whole(sink: Sink) -> None:
    """The line about a changed name shows what it was and what it is recorded as."""
    script = """
        import batchtel
        with batchtel.job("new\\nline"):
            pass
        """
    finished = run(script, sink)
    assert finished.stderr == "job name 'new\\nline' is recorded as 'new?line'\n"


def test_long_names_stay_apart(sink: Sink) -> None:
    """Names that differ after 120 characters are two labels, and whole on spans and events; also where joined."""
    beginning = "transform_" + "warehouse_" * 12
    finished = run(
        f"""
        import subprocess, sys, batchtel
        for end in ("run", "test"):
            with batchtel.job({beginning!r} + end, type={beginning!r} + end), batchtel.step({beginning!r} + end):
                with batchtel.job({beginning!r} + end) as joined:
                    joined.records(processed=1)
                code = "import sys, batchtel\\nwith batchtel.job(sys.argv[1]) as job: job.records(processed=2)"
                subprocess.run([sys.executable, "-c", code, {beginning!r} + end], check=True)
        """,
        sink,
    )
    assert finished.code == 0, finished.stderr
    for name in (beginning + "run", beginning + "test"):
        label = label_of(name)
        assert sink.total("batch.step.completions", job_name=label, job_type=label, step_name=label) == 1
        assert sink.total("batch.job.completions", job_name=label) == 1
        assert sink.total("batch.job.records.processed", job_name=label) == 3
        assert sink.span(f"batch_job.{name}").attributes["batch.job.name"] == name
        assert sink.span(f"batch_step.{name}").attributes["batch.step.name"] == name
    assert {event.attributes["batch.job.name"] for event in sink.events("batch.run.finished")} == {
        beginning + "run",
        beginning + "test",
    }


def test_error_types_are_bounded_labels(sink: Sink) -> None:
    """A class name of 10 KB, or with control characters, becomes a label of 120 bytes of printable text."""
    run(
        """
        import batchtel
        for name in ("E" * 10_000, "new\\nline", ""):
            try:
                with batchtel.job("errors"):
                    raise type(name, (Exception,), {})
            except Exception:
                pass
        """,
        sink,
    )
    failed = [point for point in sink.points("batch.job.completions") if point.value]
    assert {point.attributes["error_type"] for point in failed} == {label_of("E" * 10_000), "new?line", "unknown"}


NOT_COUNTS = ["-1", "float('nan')", "float('inf')", "2.5", "'7'", "None", "10**400", "2**63", "[1]", "object()", "1j"]


@pytest.mark.parametrize("level", ["job", "step"])
def test_what_is_no_count_is_reported_and_not_counted(sink: Sink, level: str) -> None:
    """Negative, fractional, huge and no numbers raise nothing and count nothing; one line a kind reports it."""
    kinds = ["processed", "failed"] if level == "job" else ["read", "written", "failed"]
    finished = run(
        f"""
        import batchtel
        Odd = type("Odd", (), {{"__str__": lambda self: 1 / 0, "__index__": lambda self: 1 / 0}})
        with batchtel.job("counting") as job, batchtel.step("only") as step:
            for value in ({", ".join(NOT_COUNTS)}, Odd()):
                for kind in {kinds!r}:
                    {level}.records(**{{kind: value}})
            for kind in {kinds!r}:
                {level}.records(**{{kind: 2}})
                {level}.records(**{{kind: 3.0}})
                {level}.records(**{{kind: True}})
                {level}.records(**{{kind: type("Int64", (), {{"__index__": lambda self: 4}})()}})
        """,
        sink,
    )
    assert (finished.code, finished.stdout) == (0, "")
    assert finished.stderr.splitlines() == [
        f"{kind}=-1 is not a whole number of records, 0 or more; it is not counted" for kind in kinds
    ]
    for kind in kinds:
        assert sink.total(f"batch.{level}.records.{kind}") == 10
        name = "batch.run.finished" if level == "job" else "batch.step.finished"
        assert sink.event(name).attributes[f"batch.records.{kind}"] == 10


def test_what_is_no_score_is_reported_and_not_recorded(sink: Sink) -> None:
    """A score outside of 0 to 1, or of no number, is one line and no value; good ones are kept."""
    finished = run(
        """
        import fractions, batchtel
        with batchtel.job("scored") as job:
            for score in (1.01, -0.1, float("nan"), float("inf"), "good", None, 10**400):
                job.quality(score, schema_version="wrong")
        with batchtel.job("scored") as job:
            job.quality(fractions.Fraction(1, 2))
        """,
        sink,
    )
    assert (finished.code, finished.stdout) == (0, "")
    assert finished.stderr == "data-quality score 1.01 is not between 0 and 1; it is not recorded\n"
    [point] = sink.points("batch.job.data_quality.score")
    assert (point.value, point.sum) == (1, 0.5)
    assert all("batch.schema.version" not in event.attributes for event in sink.events("batch.run.finished"))


NEW_RUN_ID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
"""A UUID of version 7, as a run gets it that was given none."""


@pytest.mark.parametrize(("given", "run_id"), [("run_id=7", "7"), ("attempt='2'", NEW_RUN_ID)])
def test_ids_and_attempts_of_other_types(sink: Sink, given: str, run_id: str) -> None:
    """A run id of another type becomes text, an attempt that is no number the default; the run is complete."""
    finished = run(
        f"""
        import batchtel
        with batchtel.job("typed", {given}):
            pass
        """,
        sink,
    )
    assert finished.code == 0
    attributes = sink.event("batch.run.finished").attributes
    assert re.fullmatch(run_id, attributes["batch.run.id"])
    assert attributes["batch.run.attempt"] == 1
    assert sink.total("batch.job.completions", status="success") == 1


@pytest.mark.parametrize(
    "given", ["datetime.max", "datetime.max.replace(tzinfo=timezone(-timedelta(hours=9)))", "Odd()"]
)
def test_what_is_no_time_of_the_scheduler(sink: Sink, given: str) -> None:
    """A time outside the range of datetime, or an object without text, is left out with one line; the job works."""
    finished = run(
        f"""
        from datetime import datetime, timedelta, timezone
        import batchtel
        class Odd:
            def __str__(self):
                raise RuntimeError("no text")
        for _ in range(2):
            with batchtel.job("due", scheduled_at={given}):
                print("works")
        """,
        sink,
    )
    assert (finished.code, finished.stdout) == (0, "works\nworks\n"), finished.stderr
    [line] = finished.stderr.splitlines()
    assert line.startswith("scheduled_at=")
    assert line.endswith(" is not a time; write ISO 8601 or Unix seconds, for example 2026-03-01T22:30:00Z")
    assert sink.total("batch.job.completions", status="success") == 2
