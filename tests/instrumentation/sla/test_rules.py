"""Each rule of an SLA: just within its limit, equal to it, and just beyond."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from batchtel.base.shared_counts import RecordCounts
from batchtel.catalogue import sla
from batchtel.catalogue.cron import Cron
from batchtel.catalogue.deadline import Deadline
from batchtel.catalogue.reader import parse
from batchtel.catalogue.sla import RunSla

MON_TO_FRI = frozenset(range(5))


def unix(text: str) -> float:
    """Return ISO 8601 text with an offset as Unix time."""
    return datetime.fromisoformat(text).timestamp()


def berlin(text: str, fold: int = 0) -> float:
    """Return a time that clocks in Berlin show as Unix time; `fold` 1 is the second of two."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin"), fold=fold).timestamp()


def run_of(catalogue: str, started: float, scheduled: float | None = None, job_type: str = "batch") -> RunSla:
    """Return what a run of the job `a` of a catalogue owes."""
    owed = RunSla.of(parse(catalogue)["a"], started, scheduled, job_type)
    assert owed is not None
    return owed


@pytest.mark.parametrize(("seconds", "violated"), [(3599.9, False), (3600.0, False), (3600.1, True)])
def test_duration(seconds: float, violated: bool) -> None:
    """Longer than the limit is a violation; as long is none."""
    found = sla.duration_exceeded(3600, seconds)
    assert (found is not None) == violated
    if found:
        assert found == ("duration_exceeded", 3600, 3600.1, "3600.1 s, at most 3600 s")


@pytest.mark.parametrize(("now", "violated"), [(999.9, False), (1000.0, False), (1000.1, True)])
def test_deadline(now: float, violated: bool) -> None:
    """Complete after the deadline is a violation; at that very moment is none."""
    found = sla.deadline_missed(1000.0, now)
    assert (found is not None) == violated
    if found:
        assert found == ("deadline_missed", 1000, 1000.1, "not complete by 1970-01-01T00:16:40.000+00:00")


@pytest.mark.parametrize(
    ("processed", "failed", "violated"),
    [(991, 9, False), (990, 10, False), (989, 11, True), (0, 0, False), (0, 1, True), (1, 0, False)],
)
def test_failure_rate(processed: int, failed: int, violated: bool) -> None:
    """More than 1 % of all records of the run; no records at all have no rate."""
    found = sla.failure_rate_exceeded(0.01, processed, failed)
    assert (found is not None) == violated
    if found and processed:
        text = "11 of 1000 records failed (1.10%), at most 1.00%"
        assert found == ("failure_rate_exceeded", 0.01, 0.011, text)


def test_a_failure_rate_of_zero_allows_none() -> None:
    """0 is a limit like any other: one failed record of a million is too many."""
    assert sla.failure_rate_exceeded(0.0, 1_000_000, 0) is None
    assert sla.failure_rate_exceeded(0.0, 999_999, 1) is not None


@pytest.mark.parametrize(("processed", "violated"), [(0, True), (99, True), (100, False), (101, False)])
def test_records(processed: int, violated: bool) -> None:
    """Fewer than the limit is a violation; just as many is none."""
    found = sla.insufficient_records(100, processed)
    assert (found is not None) == violated
    if processed == 99:
        assert found == ("insufficient_records", 100, 99, "99 records processed, at least 100")


@pytest.mark.parametrize(("newest", "violated"), [(1000.5, False), (1000.0, False), (999.5, True), (9999.0, False)])
def test_data_age(newest: float, violated: bool) -> None:
    """Older than the limit is a violation; just as old is none, nor is data of the future."""
    found = sla.data_stale(60, newest, 1060.0)
    assert (found is not None) == violated
    if found:
        assert found == ("data_stale", 60, 60.5, "the newest data is 60 s old, at most 60 s")


SIX = Deadline((6, 0), "Europe/Berlin")
MONDAYS_EIGHT = Deadline((8, 0), "Europe/Berlin", frozenset({0}))

AFTER = [
    # Winter, +01:00. The run of the evening belongs to the next morning.
    (SIX, "2026-01-14T22:30:00+01:00", "2026-01-15T06:00:00+01:00"),
    (SIX, "2026-01-15T05:59:59+01:00", "2026-01-15T06:00:00+01:00"),
    (SIX, "2026-01-15T06:00:00+01:00", "2026-01-16T06:00:00+01:00"),
    (SIX, "2026-07-15T00:00:00+02:00", "2026-07-15T06:00:00+02:00"),
    # The day is that of the deadline's zone, whatever the zone of the schedule.
    (SIX, "2026-01-14T23:30:00+00:00", "2026-01-15T06:00:00+01:00"),
    # 19 January 2026 is a Monday.
    (MONDAYS_EIGHT, "2026-01-18T04:00:00+01:00", "2026-01-19T08:00:00+01:00"),
    (MONDAYS_EIGHT, "2026-01-19T08:00:00+01:00", "2026-01-26T08:00:00+01:00"),
    (SIX._replace(weekdays=MON_TO_FRI), "2026-01-16T22:30:00+01:00", "2026-01-19T06:00:00+01:00"),
    # 02:30 is left out on 29 March: 03:30, as if clocks had not changed yet. It comes twice on 25 October: the second.
    (SIX._replace(time=(2, 30)), "2026-03-28T22:00:00+01:00", "2026-03-29T03:30:00+02:00"),
    (SIX._replace(time=(2, 30)), "2026-10-24T22:00:00+02:00", "2026-10-25T02:30:00+01:00"),
    (SIX, "2026-03-28T22:00:00+01:00", "2026-03-29T06:00:00+02:00"),
    (SIX, "2026-10-24T22:00:00+02:00", "2026-10-25T06:00:00+01:00"),
]


@pytest.mark.parametrize(("deadline", "due", "by"), AFTER)
def test_the_deadline_of_a_run(deadline: Deadline, due: str, by: str) -> None:
    """The first one after the run was due, on one of its days, across clock changes."""
    assert deadline.after(unix(due)) == unix(by)


NIGHTLY = """[jobs.a]
schedule = { cron = "30 22 * * *", timezone = "Europe/Berlin" }
sla.must_complete_by.time = "06:00"
"""

ENDS = [
    # name, scheduled, started, ended, violated
    ("22:30 the evening before is early", "2026-01-13T22:30", "2026-01-13T22:30", "2026-01-13T22:45", False),
    ("in time", "2026-01-13T22:30", "2026-01-13T22:30", "2026-01-14T06:00", False),
    ("a second late", "2026-01-13T22:30", "2026-01-13T22:30", "2026-01-14T06:00:01", True),
    ("23 hours late", "2026-01-13T22:30", "2026-01-13T22:30", "2026-01-15T05:00", True),
    ("started 23 hours late", "2026-01-13T22:30", "2026-01-15T04:50", "2026-01-15T05:00", True),
    ("made up for a day later", "2026-01-13T22:30", "2026-01-15T06:30", "2026-01-15T06:40", False),
    ("made up for a year later", "2025-01-13T22:30", "2026-01-15T01:00", "2026-01-15T09:00", False),
    ("by the schedule, in time", None, "2026-01-13T22:30:04", "2026-01-14T05:59", False),
    ("by the schedule, late", None, "2026-01-13T22:30:04", "2026-01-14T06:01", True),
    ("by the schedule, on a slow clock", None, "2026-01-13T22:29:10", "2026-01-14T05:59", False),
    ("by the schedule, started late", None, "2026-01-14T07:00", "2026-01-14T07:01", True),
]


@pytest.mark.parametrize(
    ("scheduled", "started", "ended", "violated"), [row[1:] for row in ENDS], ids=[r[0] for r in ENDS]
)
def test_late_and_early(scheduled: str | None, started: str, ended: str, violated: bool) -> None:
    """Lateness is measured from when the run was due; a run that makes up for the past is never late."""
    owed = run_of(NIGHTLY, berlin(started), berlin(scheduled) if scheduled else None)
    found = owed.passed(1.0, berlin(ended))
    assert [violation.type for violation in found] == (["deadline_missed"] if violated else [])


@pytest.mark.parametrize("day", ["2026-03-28", "2026-10-24"])
def test_late_across_clock_changes(day: str) -> None:
    """The night of a clock change is an hour shorter or longer, and its deadline is still 06:00 on the clock."""
    after = berlin(day + "T22:30") + 86400
    date = datetime.fromtimestamp(after, ZoneInfo("Europe/Berlin")).date()
    owed = run_of(NIGHTLY, berlin(day + "T22:30:01"))
    assert owed.passed(1.0, berlin(f"{date}T06:00:00")) == []
    assert [each.type for each in owed.passed(1.0, berlin(f"{date}T06:00:01"))] == ["deadline_missed"]


def test_a_schedule_at_half_past_two_keeps_its_deadline_through_clock_changes() -> None:
    """02:30 that is left out starts at the change, 03:00; that run belongs to this morning, not to yesterday's."""
    catalogue = NIGHTLY.replace("30 22", "30 2")
    for started, late in (
        (berlin("2026-03-29T03:00:00"), berlin("2026-03-29T06:00:01")),
        (berlin("2026-10-25T02:30:00"), berlin("2026-10-25T06:00:01")),
        (berlin("2026-10-25T02:30:00", fold=1), berlin("2026-10-25T06:00:01")),
    ):
        owed = run_of(catalogue, started)
        assert owed.passed(1.0, late - 1) == []
        assert len(owed.passed(1.0, late)) == 1


def test_without_a_schedule_the_start_is_what_was_due() -> None:
    """A deadline without a schedule is the first one after the start."""
    owed = run_of("[jobs.a.sla.must_complete_by]\ntime = '06:00'", unix("2026-01-14T07:00:00+00:00"))
    assert owed.passed(1.0, unix("2026-01-15T06:00:00+00:00")) == []
    assert len(owed.passed(1.0, unix("2026-01-15T06:00:01+00:00"))) == 1


def test_a_backfill_trips_no_deadline() -> None:
    """Nor does the age of its data count from now: it counts from when the run was due, or not at all."""
    catalogue = NIGHTLY + "sla.max_data_age = '1d'"
    due, now = berlin("2025-06-01T22:30"), berlin("2026-01-14T12:00")
    for job_type, scheduled in (("backfill", due), ("backfill", None), ("batch", due)):
        owed = run_of(catalogue, now, scheduled, job_type)
        assert owed.passed(1.0, now + 86400) == []
        assert owed.ended(RecordCounts(1, 0, due - 86400), now + 86400) == []
        owed = run_of(catalogue, now, scheduled, job_type)
        stale = owed.ended(RecordCounts(1, 0, due - 86401), now + 86400)
        assert [each.type for each in stale] == (["data_stale"] if scheduled else [])


@pytest.mark.parametrize(
    ("schedule", "started", "makes_up"),
    [
        ("every = '1h'", 3599, False),
        ("every = '1h'", 3600, True),
        ("cron = '0 * * * *'", 3599, False),
        ("cron = '0 * * * *'", 3600, True),
    ],
)
def test_without_a_deadline_the_next_run_separates_a_late_one_from_one_that_makes_up(
    schedule: str, started: float, makes_up: bool
) -> None:
    """Its data is then as old as it was when the run was due."""
    due = unix("2026-01-14T12:00:00+00:00")
    owed = run_of(f"[jobs.a]\nschedule = {{ {schedule} }}\nsla.max_data_age = '30m'", due + started, due)
    assert bool(owed.ended(RecordCounts(None, None, due - 60), due + started + 60)) != makes_up


ALL = NIGHTLY + "sla.max_duration = '1h'\nsla.max_failure_rate = 0.1\nsla.min_records = 100\nsla.max_data_age = '1d'\n"


def test_a_run_can_violate_all_at_once_and_each_once() -> None:
    """Several violations at a time, each counted once however often the run beats; nothing new after the end."""
    started = berlin("2026-01-13T22:30")
    owed = run_of(ALL, started)
    assert owed.types == (
        *("duration_exceeded", "deadline_missed"),
        *("failure_rate_exceeded", "insufficient_records", "data_stale"),
    )
    assert [each.type for each in owed.passed(3600.5, started + 3600.5)] == ["duration_exceeded"]
    assert owed.passed(3601.0, started + 3601) == []
    late = berlin("2026-01-14T07:00")
    assert [each.type for each in owed.passed(3700.0, late)] == ["deadline_missed"]
    counts = RecordCounts(10, 10, started - 86400)
    assert [each.type for each in owed.ended(counts, late)] == list(owed.types[2:])
    assert owed.ended(counts, late) == owed.passed(99999.0, late) == []
    assert owed.violated == list(owed.types)


def test_nothing_is_new_after_the_end() -> None:
    """A heartbeat that comes after the end of a run does not count what happened before it."""
    started = berlin("2026-01-13T22:30")
    owed = run_of(ALL, started)
    assert owed.ended(RecordCounts(100, 0, started), started + 60) == []
    assert owed.passed(99999.0, started + 99999) == []
    assert owed.violated == []


@pytest.mark.parametrize(
    ("counts", "types"),
    [
        (RecordCounts(None, None, None), []),
        (RecordCounts(0, None, None), ["insufficient_records"]),
        (RecordCounts(None, 1, None), ["failure_rate_exceeded"]),
        (RecordCounts(100, 0, None), []),
    ],
)
def test_what_was_not_reported_is_not_judged(counts: RecordCounts, types: list[str]) -> None:
    """A number that was not reported differs from 0."""
    started = berlin("2026-01-13T22:30")
    assert [each.type for each in run_of(ALL, started).ended(counts, started + 1)] == types


@pytest.mark.parametrize("catalogue", ["[jobs.a]", "[jobs.a.sla]", "[jobs.a]\npaused = true\nsla.min_records = 1"])
def test_who_owes_nothing(catalogue: str) -> None:
    """A job without rules, and one that is paused."""
    assert RunSla.of(parse(catalogue)["a"], 1.0, None, "batch") is None
    assert RunSla.of(None, 1.0, None, "batch") is None


def test_a_machine_without_time_zones(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Deadlines in UTC hold; one of another zone is left out with a warning that names what is missing."""
    monkeypatch.setattr("batchtel.catalogue.zones._lookup", lambda name: None)
    monkeypatch.setattr("batchtel.base.guard._reported", set())
    started = unix("2026-01-14T01:00:00+00:00")
    owed = run_of(ALL, started)
    assert [each.type for each in owed.passed(3700.0, started + 86400)] == ["duration_exceeded"]
    assert [each.type for each in owed.ended(RecordCounts(1, 0, None), started + 86400)] == ["insufficient_records"]
    assert [record.getMessage() for record in caplog.records] == [
        "deadlines and schedules of the catalogue are not checked: "
        "this machine has no time zone database; install the package tzdata (apt, apk or pip)"
    ]
    in_utc = run_of(NIGHTLY.replace("Europe/Berlin", "UTC"), started)
    assert len(in_utc.passed(1.0, unix("2026-01-14T06:00:01+00:00"))) == 1


def test_cron_is_asked_in_its_own_zone() -> None:
    """22:30 in Berlin and 06:00 in New York are of one night."""
    catalogue = NIGHTLY + 'sla.must_complete_by.timezone = "America/New_York"\n'
    owed = run_of(catalogue, berlin("2026-01-13T22:30:01"))
    assert owed.passed(1.0, unix("2026-01-14T06:00:00-05:00")) == []
    assert len(owed.passed(1.0, unix("2026-01-14T06:00:01-05:00"))) == 1
    assert Cron.of("30 22 * * *").previous(0.0, ZoneInfo("UTC")) == -5400
