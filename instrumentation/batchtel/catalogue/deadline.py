"""Deadlines: the time of day by which the run of a scheduled day has to be complete."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from batchtel.catalogue import zones

EVERY_DAY: Final = frozenset(range(7))


class Deadline(NamedTuple):
    """A time of day, hour and minute, in a time zone, on some days of the week (Monday is 0)."""

    time: tuple[int, int]
    timezone: str = ""
    weekdays: frozenset[int] = EVERY_DAY

    def after(self, moment: float) -> float:
        """Return the first deadline after `moment`, Unix seconds: the one that a run due then has to keep.

        Where clocks show the time twice it is the second one, where they leave it out as if they had not changed yet:
        no run is late by a clock change.

        Raises:
            NoZonesError: There is no time zone database here.
        """
        within = zones.zone(self.timezone)
        day = datetime.fromtimestamp(moment, within).date()
        while True:
            if day.weekday() in self.weekdays:
                due = zones.latest(day, *self.time, within)
                if due > moment:
                    return due
            day += timedelta(days=1)
