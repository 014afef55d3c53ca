"""Time zones, and what their clock changes do to a time of day.

Data comes from the machine or from the package tzdata; a small container may have neither, and then has UTC only.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

NO_DATABASE: Final = "this machine has no time zone database; install the package tzdata (apt, apk or pip)"


class NoZonesError(Exception):
    """There is no time zone database, so no zone but UTC can be looked up."""

    def __init__(self) -> None:
        super().__init__(NO_DATABASE)


def zone(name: str) -> tzinfo:
    """Return the time zone of an IANA name such as Europe/Berlin.

    Raises:
        NoZonesError: The name is not UTC, and there are no other zones here.
        ValueError: There is no such zone.
    """
    if name == "UTC":
        return UTC
    found = _lookup(name)
    if found is None and _lookup("UTC") is None:
        raise NoZonesError
    if found is None:
        raise ValueError(name)
    return found


def _lookup(name: str) -> tzinfo | None:
    # Only for those who name a zone: 3 ms.
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # OSError for `Europe`, a folder of the database, on some versions of Python.
        return None


def moments(day: date, hour: int, minute: int, within: tzinfo) -> tuple[float, ...]:
    """Return the Unix times at which clocks show this time on this day: one; two or none where clocks change."""
    readings = sorted({_read(day, hour, minute, within, fold) for fold in (0, 1)})
    # A time that is left out comes back from UTC as another one.
    return tuple(time for time in readings if _shown(time, within) == (day, hour, minute))


def latest(day: date, hour: int, minute: int, within: tzinfo) -> float:
    """Return the last Unix time that can be meant; where clocks leave the time out, as if they had not changed yet."""
    return max(_read(day, hour, minute, within, fold) for fold in (0, 1))


def change(day: date, hour: int, minute: int, within: tzinfo) -> float:
    """Return the Unix time at which clocks leave this time of this day out."""
    before = min(_read(day, hour, minute, within, fold) for fold in (0, 1))
    wanted = (day, hour, minute)
    while _shown(before, within) < wanted:
        before += 60.0
    return before


def length(day: date, within: tzinfo) -> timedelta:
    """Return how long a day is: 24 hours, but where clocks change."""
    return timedelta(seconds=_read(day + timedelta(days=1), 0, 0, within, 0) - _read(day, 0, 0, within, 0))


def _read(day: date, hour: int, minute: int, within: tzinfo, fold: int) -> float:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=within, fold=fold).timestamp()


def _shown(time: float, within: tzinfo) -> tuple[date, int, int]:
    shown = datetime.fromtimestamp(time, within)
    return shown.date(), shown.hour, shown.minute
