"""What a job catalogue expects of each job, with the longest time between two runs of its schedule."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from batchtel.base.identity import bounded
from batchtel.catalogue import zones
from batchtel.catalogue.keys import CatalogueJob, Schedule
from batchtel_dashboards.alerts import deadlines
from batchtel_dashboards.alerts.alert import Job, Jobs

YEAR: Final = 366 * 86400.0
"""Seconds of the year that is looked at."""

YEAR_END: Final = 1798761600.0
"""2027-01-01, where that year ends. A fixed one, so that the same catalogue makes the same file any day."""


def jobs(catalogue: Mapping[str, CatalogueJob]) -> Jobs:
    """Return the jobs of a catalogue, by name.

    Raises:
        batchtel.catalogue.zones.NoZonesError: this machine has no database of time zones, and a schedule needs it.
    """
    return tuple(_job(name, catalogue[name]) for name in sorted(catalogue))


@cache
def longest_gap(schedule: Schedule) -> float:
    """Return the longest time between two due runs, in seconds, over a whole year: clock changes are in it.

    A job that is due more than once an hour counts as due once in that hour, which only makes its gap longer. One that
    is not due within that year has the year as its gap.
    """
    if schedule.cron is None:
        return schedule.every or 0.0
    cron = schedule.cron._replace(minutes=schedule.cron.minutes[:1])
    zone = zones.zone(schedule.timezone)
    longest, later = 0.0, cron.previous(YEAR_END, zone)
    if later is None or later <= YEAR_END - YEAR:
        return YEAR
    while later is not None and later > YEAR_END - YEAR:
        before = cron.previous(later - 1, zone)
        if before is not None:
            longest = max(longest, later - before)
        later = before
    return longest


def _job(name: str, entry: CatalogueJob) -> Job:
    # Labels of metrics have the bounded name.
    job = Job(bounded(name), entry.owner, entry.team)
    if entry.paused:
        return job
    if entry.schedule is not None:
        job = job._replace(gap=longest_gap(entry.schedule))
    if entry.sla is None:
        return job
    deadline = deadlines.of(entry.sla.must_complete_by, entry.schedule) if entry.sla.must_complete_by else None
    return job._replace(max_duration=entry.sla.max_duration, max_data_age=entry.sla.max_data_age, deadline=deadline)
