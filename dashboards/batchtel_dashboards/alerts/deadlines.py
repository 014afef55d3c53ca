"""Deadlines of the catalogue in PromQL: which success is needed now, also after a clock change.

PromQL has UTC only. So a rule records, for each time zone and time of day, what clocks show there, as seconds; it has
the clock changes of the next years. A deadline passes when that clock shows its time. Where clocks show the time twice,
or leave it out, the record changes an hour earlier or later, so that the deadline is that of `batchtel.catalogue`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from itertools import pairwise
from typing import Final, NamedTuple

from batchtel.catalogue import zones
from batchtel.catalogue.deadline import Deadline as TimeOfDay
from batchtel.catalogue.keys import Schedule
from batchtel.catalogue.sla import TOLERANCE
from batchtel_dashboards.queries import selector

RECORD: Final = "batch_local_time:seconds"
"""Recorded: what clocks of the label `timezone` show, in seconds since they showed 1970-01-01 00:00."""

FIRST: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""The first clock change and date that a rule has. A fixed time, so that the same catalogue makes the same file."""

LAST_CHANGE: Final = datetime(2036, 1, 1, tzinfo=UTC)
"""Where its clock changes end."""

LAST_DATE: Final = datetime(2031, 1, 1, tzinfo=UTC)
"""Where its dates end, of a schedule that is no weekly one."""

DAY: Final = 86400
WEEK: Final = 7 * DAY


class Change(NamedTuple):
    """A clock change: its Unix time, and the offsets from UTC before and after it in seconds."""

    at: int
    before: int
    after: int


class Deadline(NamedTuple):
    """By when a job has to have succeeded.

    Attributes:
        time: hour and minute.
        timezone: whose clock shows it.
        leads: by weekday, Monday is 0: how long before the deadline the run is due, in seconds of that clock.
        dates: instead, where the schedule is no weekly one: Unix times of each deadline and of when its run is due.
    """

    time: tuple[int, int]
    timezone: str
    leads: Mapping[int, int]
    dates: Sequence[tuple[int, int]] = ()

    @property
    def text(self) -> str:
        """The time of day, such as `06:00`."""
        return f"{self.time[0]:02}:{self.time[1]:02}"

    @property
    def clock(self) -> tuple[tuple[str, str], str] | None:
        """Time zone and time of day of the record that it reads, and its PromQL; None if it reads none."""
        if self.dates or self.timezone == "UTC":
            return None
        return (self.timezone, self.text), f"vector({_local_time(zones.zone(self.timezone), _seconds(self.time))})"

    def due(self) -> Iterator[str]:
        """Yield PromQL of Unix times: a job is late if its last success is before any of them.

        While clocks are not advanced, a success up to an hour before the run was due counts, too: the rule does
        not have the offset that was valid then.
        """
        if self.dates:
            steps = [f"{due} * (time() >= bool {at})" for at, due in self.dates[:1]]
            steps += [f"{due - old} * (time() >= bool {at})" for (_, old), (at, due) in pairwise(self.dates)]
            yield " + ".join(steps) + f" - {TOLERANCE:g}"
            return
        labels = {"timezone": self.timezone, "deadline": self.text}
        local = f"scalar({RECORD}{selector(labels)})" if self.clock else "time()"
        slack = _greatest_offset(self.timezone) + round(TOLERANCE)
        if len(set(self.leads.values())) == 1 and len(self.leads) == 7:
            yield _last(local, _seconds(self.time), DAY, self.leads[0] + slack)
            return
        for weekday, lead in sorted(self.leads.items()):
            # 1970-01-01 was a Thursday.
            seconds = (weekday - 3) % 7 * DAY + _seconds(self.time)
            yield _last(local, seconds, WEEK, lead + slack)


def of(deadline: TimeOfDay, schedule: Schedule | None) -> Deadline | None:
    """Return the deadline of a job; None if no run is ever due before it.

    Without a cron expression a run is due at any time after the deadline before.

    Raises:
        batchtel.catalogue.zones.NoZonesError: this machine has no database of time zones.
    """
    zone = zones.zone(deadline.timezone)
    leads = defaultdict[int, set[int | None]](set)
    dates: list[tuple[int, int]] = []
    before = deadline.after(FIRST.timestamp())
    for at in _all(deadline, before, LAST_DATE.timestamp()):
        due = _due(schedule, at, before)
        # Of one year: several are needed only for what is no weekly schedule.
        if at < FIRST.timestamp() + 366 * DAY:
            shown = datetime.fromtimestamp(at, zone)
            leads[shown.weekday()].add(None if due is None else _lead(deadline, schedule, at, due))
        elif not _varies(leads):
            break
        if due is not None:
            dates.append((round(at), round(due)))
        before = at
    weekly = {weekday: max(filter(None, found)) for weekday, found in leads.items() if found != {None}}
    if not weekly:
        return None
    return Deadline(deadline.time, deadline.timezone, weekly, tuple(dates) if _varies(leads) else ())


def _varies(leads: Mapping[int, set[int | None]]) -> bool:
    """Return whether on one weekday a run is due in some weeks only."""
    return any(None in found and len(found) > 1 for found in leads.values())


def _all(deadline: TimeOfDay, moment: float, until: float) -> Iterator[float]:
    while (moment := deadline.after(moment)) < until:
        yield moment


def _due(schedule: Schedule | None, at: float, before: float) -> float | None:
    """Return when the run that has to keep a deadline was due; None if none was since the one before."""
    if schedule is None or schedule.cron is None:
        return before
    due = schedule.cron.previous(at - 1, zones.zone(schedule.timezone))
    return due if due is not None and due >= before else None


def _lead(deadline: TimeOfDay, schedule: Schedule | None, at: float, due: float) -> int:
    """Return how long before a deadline its run is due, in seconds of the clock, as if that did not change."""
    zone = zones.zone(deadline.timezone)
    time = _seconds(deadline.time)
    # A time that clocks leave out is shown as another one.
    passed = _shown(at, zone) // DAY * DAY + time
    if schedule is None or schedule.cron is None:
        return passed - (_shown(due, zone) // DAY * DAY + time)
    return passed - _shown(due, zone)


def _last(local: str, seconds: int, period: int, lead: int) -> str:
    """Return PromQL of the last time at which a clock showed `seconds` into its period, and `lead` before that."""
    return f"{local} - ({local} - {seconds}) % {period} - {lead}"


def _local_time(zone: tzinfo, seconds: int) -> str:
    changes = _changes(zone)
    text = f"time() + {changes[0].before if changes else _offset(FIRST, zone)}"
    for change in changes:
        step = change.after - change.before
        # The first local time of that time of day at or after the hour that is left out, or comes twice.
        shown = change.at + min(change.before, change.after)
        shown += (seconds - shown) % DAY
        at = change.at + step if shown < change.at + max(change.before, change.after) else change.at
        text += f" {'-+'[step > 0]} {abs(step)} * (time() >= bool {at})"
    return text


def _greatest_offset(timezone: str) -> int:
    zone = zones.zone(timezone)
    return max([_offset(FIRST, zone), *(change.after for change in _changes(zone))])


@cache
def _changes(zone: tzinfo) -> tuple[Change, ...]:
    """Return the clock changes from FIRST to LAST_CHANGE."""
    days = [FIRST + timedelta(days=day) for day in range((LAST_CHANGE - FIRST).days + 1)]
    found = []
    for early, late in pairwise(days):
        if _offset(early, zone) == _offset(late, zone):
            continue
        minutes = [early + timedelta(minutes=minute) for minute in range(24 * 60 + 1)]
        at = next(one for one in minutes if _offset(one, zone) != _offset(early, zone))
        found.append(Change(round(at.timestamp()), _offset(early, zone), _offset(late, zone)))
    return tuple(found)


def _offset(moment: datetime, zone: tzinfo) -> int:
    offset = moment.astimezone(zone).utcoffset()
    return round(offset.total_seconds()) if offset else 0


def _shown(moment: float, zone: tzinfo) -> int:
    """Return what the clock of a zone shows, in seconds."""
    return round(moment) + _offset(datetime.fromtimestamp(moment, UTC), zone)


def _seconds(time: tuple[int, int]) -> int:
    return time[0] * 3600 + time[1] * 60
