"""Simulate a healthy fleet and print the alerts that fire; none should: `make test-alerts` runs 30 days."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from batchtel_dashboards.engines import ENGINES
from batchtel_stack import binaries
from tests.dashboards.alerts.simulation import pipeline
from tests.dashboards.alerts.simulation.fleet import CATALOGUE, DAY, FLEET, runs
from tests.dashboards.alerts.simulation.prometheus import Fired, fired
from tests.dashboards.alerts.simulation.runs import events
from tests.dashboards.alerts.simulation.samples import STEP, Process, series

MONTH: Final = datetime(2026, 10, 5, tzinfo=UTC)
"""Both clock changes of autumn are in the 30 days from here on: Europe's on 25 October, America's on 1 November."""

BEFORE: Final = 35 * DAY
"""Runs before the first sample: their states are exported."""


def processes(start: float, days: float, every: int = 3) -> list[Process]:
    """Return the processes of the collector: a restart of 2 minutes each so many days, each second one a deploy.

    After a deploy the instance has another name, and its totals begin at zero.
    """
    found = [Process(0, start)]
    for number in range(1, int(days // every) + 1):
        since = start + number * every * DAY - 11 * 3600 + number * 1234 // STEP * STEP
        found.append(Process(since, since + 2 * STEP, f"gateway-{number // 2}"))
    return found


def simulate(promtool: Path, folder: Path, engine: str, start: datetime, days: float, every: int = 3) -> list[Fired]:
    """Return the alerts that fire within some days of the healthy fleet."""
    begin, minutes = int(start.timestamp()), round(days * DAY / STEP)
    collectors = processes(begin, days, every)
    samples = pipeline.healthy(minutes, [(one.since, one.begins) for one in collectors[1:]], begin)
    for job in FLEET:
        added = events(job.name, runs(job, begin - BEFORE, begin + minutes * STEP), heartbeats=job.heartbeats)
        samples |= series(added, begin, minutes, collectors, engine)
    return fired(promtool, folder, samples, CATALOGUE, engine, begin, minutes)


def main(arguments: Sequence[str]) -> int:
    """Print what fires with each engine; return 1 if anything does."""
    parser = argparse.ArgumentParser(prog="healthy_month", description=__doc__)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--engine", choices=list(ENGINES), action="append")
    given = parser.parse_args(arguments)
    wrong = 0
    for engine in given.engine or ENGINES:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            found = simulate(binaries.find("promtool"), Path(folder), engine, MONTH, given.days)
        wrong += len(found)
        days = f"{given.days:g} days from {MONTH:%Y-%m-%d}"
        sys.stdout.write(
            f"{engine}: {days}, {len(FLEET)} jobs, {len(found)} alerts ({time.monotonic() - began:.0f} s)\n"
        )
        for one in found:
            at = MONTH + timedelta(seconds=one.since - MONTH.timestamp())
            sys.stdout.write(f"  {at:%Y-%m-%d %H:%M} {dict(one.labels)}\n")
        sys.stdout.flush()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
