"""When a schedule was due for the last time, in any zone and across clock changes."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from batchtel.catalogue.cron import MACROS, Cron, CronError

BERLIN = ZoneInfo("Europe/Berlin")
"""Clocks go from 02:00 to 03:00 on 29 March 2026, and from 03:00 back to 02:00 on 25 October 2026, at 01:00 UTC."""


def previous(expression: str, moment: str, zone: str = "Europe/Berlin") -> str | None:
    """Return the last due time at or before `moment`, both ISO 8601 in UTC."""
    found = Cron.of(expression).previous(datetime.fromisoformat(moment + "Z").timestamp(), ZoneInfo(zone))
    return None if found is None else datetime.fromtimestamp(found, UTC).isoformat().removesuffix("+00:00")


DUE = {
    # In winter Berlin is an hour ahead of UTC, in summer two.
    ("30 22 * * *", "2026-01-15T21:29:59"): "2026-01-14T21:30:00",
    ("30 22 * * *", "2026-01-15T21:30:00"): "2026-01-15T21:30:00",
    ("30 22 * * *", "2026-07-15T21:00:00"): "2026-07-15T20:30:00",
    ("*/15 9-17 * * mon-fri", "2026-01-18T12:00:00"): "2026-01-16T16:45:00",  # a Sunday
    ("5/20 * * * *", "2026-01-15T12:44:00"): "2026-01-15T12:25:00",
    ("0 0 1 * *", "2026-01-15T12:00:00"): "2025-12-31T23:00:00",
    ("0 0 1 jan,Jul *", "2026-06-30T21:59:59"): "2025-12-31T23:00:00",
    ("0 0 13 * fri", "2026-01-15T12:00:00"): "2026-01-12T23:00:00",  # either day, as both are given
    ("0 0 13 * fri", "2026-01-17T12:00:00"): "2026-01-15T23:00:00",
    ("0 8 * * 7", "2026-01-15T12:00:00"): "2026-01-11T07:00:00",
    ("0 8 * * 0", "2026-01-15T12:00:00"): "2026-01-11T07:00:00",
    ("0 8 * * fri-sun", "2026-01-15T12:00:00"): "2026-01-11T07:00:00",
    ("0 0 29 2 *", "2026-01-15T12:00:00"): "2024-02-28T23:00:00",
    ("0 0 31 feb mon", "2026-02-15T12:00:00"): "2026-02-08T23:00:00",  # Mondays, though no day of the month
    ("@daily", "2026-01-15T12:00:00"): "2026-01-14T23:00:00",
    ("@HOURLY", "2026-01-15T12:34:56"): "2026-01-15T12:00:00",
}

SPRING = {
    # 02:30 is left out: due at the change, as Debian's cron starts it.
    ("30 2 * * *", "2026-03-29T00:59:59"): "2026-03-28T01:30:00",
    ("30 2 * * *", "2026-03-29T01:00:00"): "2026-03-29T01:00:00",
    ("30 2 * * *", "2026-03-30T00:30:00"): "2026-03-30T00:30:00",
    # With * as the hour or the minute it follows the clock, which shows 01:30 and then 03:30.
    ("30 * * * *", "2026-03-29T01:29:59"): "2026-03-29T00:30:00",
    ("30 * * * *", "2026-03-29T01:30:00"): "2026-03-29T01:30:00",
    ("*/15 2 * * *", "2026-03-29T01:30:00"): "2026-03-28T01:45:00",
    ("0 3 * * *", "2026-03-29T01:00:00"): "2026-03-29T01:00:00",
    ("0 2,4 * * *", "2026-03-29T01:30:00"): "2026-03-29T01:00:00",
}

AUTUMN = {
    # 02:30 comes twice, at 00:30 and at 01:30 UTC; a fixed time is due the first time only.
    ("30 2 * * *", "2026-10-25T00:29:59"): "2026-10-24T00:30:00",
    ("30 2 * * *", "2026-10-25T00:30:00"): "2026-10-25T00:30:00",
    ("30 2 * * *", "2026-10-25T01:45:00"): "2026-10-25T00:30:00",
    ("30 2 * * *", "2026-10-26T01:30:00"): "2026-10-26T01:30:00",
    # With * as the hour it is due both times.
    ("30 * * * *", "2026-10-25T01:29:59"): "2026-10-25T00:30:00",
    ("30 * * * *", "2026-10-25T01:30:00"): "2026-10-25T01:30:00",
    ("0 0 * * *", "2026-10-25T22:59:59"): "2026-10-24T22:00:00",
    ("0 0 * * *", "2026-10-25T23:00:00"): "2026-10-25T23:00:00",
}


@pytest.mark.parametrize(("given", "due"), [*DUE.items(), *SPRING.items(), *AUTUMN.items()])
def test_previous(given: tuple[str, str], due: str) -> None:
    """The last time at or before a moment, equality included."""
    assert previous(*given) == due


def test_zones_differ() -> None:
    """The same expression is due at another time in another zone, also where that is another day."""
    assert previous("0 9 * * *", "2026-01-15T00:30:00", "Asia/Tokyo") == "2026-01-15T00:00:00"
    assert previous("0 9 * * *", "2026-01-15T00:30:00", "America/New_York") == "2026-01-14T14:00:00"
    assert previous("0 9 * * *", "2026-01-15T00:30:00", "Pacific/Kiritimati") == "2026-01-14T19:00:00"


def test_every_hour_of_a_year_is_found_again() -> None:
    """Against the clock itself: an hourly schedule was due at the start of this hour, each hour of a year."""
    cron = Cron.of("0 * * * *")
    start = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    for hour in range(365 * 24):
        assert cron.previous(start + hour * 3600 + 1800, BERLIN) == start + hour * 3600


NO_FIVE = "not five (minute, hour, day of month, month, day of week)"

WRONG = {
    "": [f"'' has 0 fields, {NO_FIVE}; write for example \"30 22 * * *\""],
    "30 22 * *": [f"'30 22 * *' has 4 fields, {NO_FIVE}; write for example \"30 22 * * *\""],
    "0 30 22 * * *": [
        f"'0 30 22 * * *' has 6 fields, {NO_FIVE}; seconds are not supported; write for example \"30 22 * * *\""
    ],
    "@reboot": [f"'@reboot' is not a macro; the macros are {', '.join(MACROS)}"],
    "60 24 0 13 8": [
        "minute: '60' is not one of 0 to 59",
        "hour: '24' is not one of 0 to 23",
        "day of month: '0' is not one of 1 to 31",
        "month: '13' is not one of 1 to 12, or jan to dec",
        "day of week: '8' is not one of 0 to 7, or mon to sun",
    ],
    "*/0 * * * *": ["minute: '*/0' has no step above 0; write for example */15"],
    "0 17-9 * * *": ["hour: '17-9' goes backwards; write 9-17, or two ranges with a comma"],
    "0 0 L * ?": [
        "day of month: 'L' is not one of 1 to 31",
        "day of week: '?' is not one of 0 to 7, or mon to sun",
    ],
    "0 0 1,,2 * monday": [
        "day of month: '' is not one of 1 to 31",
        "day of week: 'monday' is not one of 0 to 7, or mon to sun",
    ],
    "-5 * * * *": ["minute: '' is not one of 0 to 59"],
    "0 0 31 feb,apr *": ["'0 0 31 feb,apr *' is never due: no such month has a day 31"],
}


@pytest.mark.parametrize("expression", WRONG)
def test_what_is_no_expression(expression: str) -> None:
    """Each field that is wrong is named, with what it may be."""
    with pytest.raises(CronError) as refused:
        Cron.of(expression)
    assert refused.value.problems == WRONG[expression]
