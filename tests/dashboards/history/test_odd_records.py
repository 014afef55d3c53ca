"""Records and times that no job of ours writes: none of them hides a run or fails a list."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime

import pytest

from batchtel.catalogue.cron import Cron
from batchtel.catalogue.keys import Schedule
from batchtel_dashboards.history import assembly
from batchtel_dashboards.history.due import next_due, written
from batchtel_dashboards.history.run import Run
from batchtel_dashboards.history.text import MomentError, between, clock, line, lines
from batchtel_dashboards.stores import Record

ID: Mapping[str, str] = {"service.name": "shop", "batch.job.name": "load", "batch.run.id": "r-1"}


def run(**fields: str) -> Run:
    """Return a run of one record of its end, at Unix time 1000; underscores of names are dots."""
    event = {"event_name": "batch.run.finished", "batch.status": "failure"}
    given = {name.replace("_", "."): text for name, text in fields.items()}
    (found,) = assembly.runs([Record(1000 * 10**9, "", {**ID, **event, **given})])
    return found


@pytest.mark.parametrize("duration", ["NaN", "1e999", "-1e999", "-3600", "x", ""])
def test_a_duration_that_is_none(duration: str) -> None:
    """The run is there, with a duration of 0."""
    assert (run(batch_duration=duration).started, run(batch_duration=duration).duration) == (1000, 0)


@pytest.mark.parametrize("started", ["", "yesterday", "99999-01-01T00:00:00Z"])
def test_a_start_that_is_none(started: str) -> None:
    """The start is the end without the duration."""
    assert run(batch_started_at=started, batch_duration="10").started == 990


def test_attempts_that_are_no_numbers() -> None:
    """They count as the first."""
    assert run(batch_run_attempt="first").last.attempt == 1
    assert run(batch_records_processed="many").last.count("batch.records.processed") is None
    assert run(batch_records_processed="NaN").last.count("batch.records.processed") is None


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"error_type": "unknown", "process_exit_code": "3"}, "exit code 3"),
        ({"error_type": "unknown"}, "unknown"),
        ({"error_type": "SIGKILL", "process_exit_code": "-9"}, "SIGKILL"),
        ({"error_type": "ValueError", "exception_message": "a\nb"}, "ValueError: a"),
        ({"error_type": "ValueError", "process_exit_code": "1"}, "ValueError"),
        ({}, ""),
    ],
)
def test_the_error_of_a_command_is_its_exit_code(fields: dict[str, str], error: str) -> None:
    """Where nothing better is recorded."""
    assert run(**fields).last.error == error


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\x00b\tc\u202ed", "a b c d"),
        ("\x1b", ""),
        ("\x1b[999", "[999"),
        ("\udcff", ""),
        ("größe 中文 👍", "größe 中文 👍"),
    ],
)
def test_foreign_text_is_one_plain_line(text: str, shown: str) -> None:
    """Colours, movements, titles and links of terminals are removed, and so is what is not printable."""
    assert line(text) == shown


def test_foreign_lines_keep_their_indentation() -> None:
    """As stack traces need it; other ends of lines are ends, too."""
    assert lines("  File x\r\n    \x1b[1mcode\x1b[0m  \x0bnext") == ["  File x", "    code", "next"]


def test_times_before_and_after_a_clock_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour that is there twice has its offset, where that is not the offset of now."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        now = datetime.fromisoformat("2026-10-25T12:00:00+01:00").timestamp()
        twice = [datetime.fromisoformat(f"2026-10-25T02:30:00+0{hour}:00").timestamp() for hour in (2, 1)]
        assert [clock(one, now) for one in twice] == ["02:30:00 +0200", "02:30:00"]
        assert clock(twice[0] - 86400, now) == "2026-10-24 02:30:00 +0200"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("since", "until", "problem"),
    [
        ("1h", "2h", "until 2h is not after since 1h; 2h is 2 hours before now"),
        ("1h", "1970-01-02", "until 1970-01-02 is not after since 1h"),
        ("-1h", "", "'-1h' is neither a duration nor a time; write 90m, 2h, 7d"),
        ("9999-12-31", "", "'9999-12-31' is not between 1970 and 2100; write 90m"),
        ("99999999999999d", "", "'99999999999999d' is not between 1970 and 2100"),
        ("1" * 400 + "d", "", "is not between 1970 and 2100"),
    ],
)
def test_times_between_which_nothing_can_be(since: str, until: str, problem: str) -> None:
    """The message has what to write."""
    with pytest.raises(MomentError) as raised:
        between(since, until, 1e9)
    assert problem in str(raised.value)


def test_a_schedule_that_is_not_due_in_this_century() -> None:
    """It is due at no time, which every calendar can show."""
    assert next_due(Schedule(every=9_999_999 * 86400.0), 1e9, 1e9) is None
    assert next_due(Schedule(every=60.0), 1e9, 1e9) == 1e9 + 60


@pytest.mark.parametrize(
    ("cron", "text"),
    [
        ("30 2 * * mon-fri", "30 2 * * mon,tue,wed,thu,fri"),
        ("@daily", "0 0 * * *"),
        ("*/20 * 1 jan *", "0,20,40 * 1 1 *"),
        ("0 0 * * 0", "0 0 * * sun"),
    ],
)
def test_a_cron_expression_is_written_again(cron: str, text: str) -> None:
    """With the values that were read from it, which mean the same."""
    assert written(Cron.of(cron)) == text
    assert Cron.of(text) == Cron.of(cron)


def records(*events: Mapping[str, str]) -> list[Record]:
    """Return records of one run, a second apart, from Unix time 1000 on."""
    return [Record((1000 + number) * 10**9, "", {**ID, **fields}) for number, fields in enumerate(events)]


START = {"event_name": "batch.run.started", "trace_id": "a"}
END = {"event_name": "batch.run.finished", "trace_id": "a", "batch.status": "success"}
PART = {"event_name": "batch.run.reported", "trace_id": "a"}


def test_counts_of_all_processes_of_a_run() -> None:
    """`batchtel run` ends the run, and the program that it ran has counted: the run has the sum, and its quality."""
    one = PART | {"batch.records.processed": "99", "batch.records.failed": "1", "batch.data_quality.score": "0.9"}
    (alone,) = assembly.runs(records(START, one, END))
    assert [alone.document()[key] for key in ("records", "records_failed", "quality")] == [99, 1, 0.9]
    own = END | {"batch.records.processed": "1", "batch.data_quality.score": "0.5"}
    (both,) = assembly.runs(records(START, one, one, own))
    assert [both.document()[key] for key in ("records", "records_failed", "quality")] == [199, 2, 0.5]
    (opened,) = assembly.runs(records(START, one))
    assert (opened.status, opened.last.count("batch.records.processed")) == ("open", 99)
    assert assembly.runs(records(one)) == []
    (odd,) = assembly.runs(records(START, PART | {"batch.records.processed": "many"}, END))
    assert odd.last.count("batch.records.processed") is None


def test_executions_that_no_retrier_numbers_are_attempts() -> None:
    """Pods of one Job have one run id and the attempt 1 each; a start that was delivered twice is one."""
    (found,) = assembly.runs(records(START, START, END, START | {"trace_id": "b"}, END | {"trace_id": "b"}))
    assert found.document()["attempts"] == 2
    (numbered,) = assembly.runs(records(START | {"batch.run.attempt": "3"}))
    assert numbered.document()["attempts"] == 3
