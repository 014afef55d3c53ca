"""Deadlines in PromQL pass when those of the catalogue do, also where clocks change: on a real promtool."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from batchtel.catalogue.cron import Cron
from batchtel.catalogue.deadline import Deadline as TimeOfDay
from batchtel.catalogue.keys import Schedule
from batchtel_dashboards.alerts import deadlines
from tests.dashboards.promtool import Case, evaluate

WEEKDAYS = frozenset(range(5))


def _passes(zone: str, time: tuple[int, int], moment: float, promtool: Path, folder: Path) -> str:
    """Return how the query differs a second before, at, and after a deadline; "" if it passes there."""
    deadline = TimeOfDay(time, zone)
    at = round(deadline.after(moment))
    found = deadlines.of(deadline, None)
    assert found is not None
    (due,) = found.due()
    local = found.clock[1] if found.clock else "vector(time())"
    text = due.replace(f'scalar({deadlines.RECORD}{{timezone="{zone}", deadline="{found.text}"}})', f"scalar({local})")
    # Its last deadline, from the clock that a rule records, is a day or so ago before, and now after.
    query = f"(({text}) - ({text.replace('time()', '(time() - 1)')})) > bool 3600"
    return "".join(
        evaluate(promtool, folder, "", Case("", {}, f"vector({query})", f"{second}s", {"{}": passed}, start=at - 1))
        for second, passed in ((0, 0), (1, 1), (2, 0))
    )


@pytest.mark.parametrize(
    ("zone", "time", "change"),
    [
        (zone, time, change)
        for zone, times, changes in (
            ("Europe/Berlin", ((2, 0), (2, 30), (3, 0), (6, 0)), ("2026-03-29", "2026-10-25", "2035-10-28")),
            ("America/New_York", ((1, 30), (2, 30), (23, 0)), ("2026-03-08", "2026-11-01")),
            ("Australia/Lord_Howe", ((1, 45), (2, 15)), ("2026-04-05", "2026-10-04")),
            ("UTC", ((6, 0),), ("2026-03-29",)),
        )
        for time in times
        for change in changes
    ],
)
def test_a_deadline_passes_once_a_day(
    promtool: Path, tmp_path: Path, zone: str, time: tuple[int, int], change: str
) -> None:
    """On the day of the change and the days around it, at the very second of the catalogue."""
    day = datetime.fromisoformat(change).replace(tzinfo=UTC).timestamp()
    for moment in (day - 86400, day - 43200, day + 43200):
        assert _passes(zone, time, moment, promtool, tmp_path) == ""


def test_leads_are_by_weekday() -> None:
    """On Saturday the run of Friday is due; on Sunday and Monday none is, where nothing runs at the weekend."""
    nightly = Schedule(Cron.of("30 22 * * mon-fri"), "Europe/Berlin")
    found = deadlines.of(TimeOfDay((6, 0), "Europe/Berlin"), nightly)
    assert found is not None
    assert found.leads == dict.fromkeys((1, 2, 3, 4, 5), 27000)
    assert len([*found.due()]) == 5
    weekdays = deadlines.of(TimeOfDay((6, 0), "Europe/Berlin", WEEKDAYS), None)
    assert weekdays is not None
    assert weekdays.leads == {0: 3 * 86400, 1: 86400, 2: 86400, 3: 86400, 4: 86400}


def test_dates_are_those_of_the_schedule() -> None:
    """Of a job that is due on days of the month each deadline is listed, to the end of the table; of none, nothing."""
    found = deadlines.of(TimeOfDay((6, 0), "Europe/Berlin"), Schedule(Cron.of("0 1 1,15 * *"), "Europe/Berlin"))
    assert found is not None
    assert len(found.dates) == 5 * 24 - 1
    assert {at - due for at, due in found.dates} == {18000}
    assert found.clock is None
    assert deadlines.of(TimeOfDay((6, 0), "UTC"), Schedule(Cron.of("0 1 29 2 *"))) is None
