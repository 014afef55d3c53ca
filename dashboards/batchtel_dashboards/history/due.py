"""When a job is due next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from batchtel.catalogue import zones
from batchtel.catalogue.cron import Cron
from batchtel.catalogue.keys import Schedule
from batchtel_dashboards.history.text import LATEST

_FURTHEST: Final = 8 * 366 * 86400.0
"""Seconds that are looked ahead: 29 February is at most so far away."""


def next_due(schedule: Schedule, now: float, last_start: float | None) -> float | None:
    """Return the next time after `now` that a schedule is due, Unix time in seconds.

    Args:
        schedule: of the catalogue.
        now: Unix time in seconds.
        last_start: when the job started last; a schedule of every so many seconds counts from there.

    Returns:
        None for a schedule that is not due before 2100, and for one of every so many seconds that has never started.
        The past for one whose next start has not come.

    Raises:
        batchtel.catalogue.zones.NoZonesError: this machine has no database of time zones, and the schedule needs it.
    """
    if schedule.cron is None:
        next_one = LATEST if last_start is None or schedule.every is None else last_start + schedule.every
        return next_one if next_one < LATEST else None
    zone, ahead = zones.zone(schedule.timezone), 60.0
    while ahead <= _FURTHEST:
        due = schedule.cron.previous(now + ahead, zone)
        while due is not None and due > now:
            before = schedule.cron.previous(due - 1, zone)
            if before is None or before <= now:
                return due
            due = before
        ahead *= 2
    return None


def written(cron: Cron) -> str:
    """Return a cron expression with its five fields: values that are read from it, `*` for all of them."""
    fields = (cron.minutes, cron.hours, cron.days, cron.months)
    whole = (range(60), range(24), range(1, 32), range(1, 13))
    texts = ["*" if set(field) == set(every) else _list(field) for field, every in zip(fields, whole, strict=True)]
    days = "*" if len(cron.weekdays) == 7 else ",".join(_DAYS[day] for day in sorted(cron.weekdays))
    return " ".join([*texts, days])


_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _list(values: Iterable[int]) -> str:
    return ",".join(map(str, sorted(values)))
