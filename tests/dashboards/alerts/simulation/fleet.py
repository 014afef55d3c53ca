"""A healthy and irregular fleet: what its jobs are, and the runs that they have within some time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from batchtel.catalogue import zones
from batchtel.catalogue.cron import Cron
from tests.dashboards.alerts.simulation.runs import Run

CATALOGUE: Final = """
[jobs.ingest]
owner = "ada@example.com"
team = "sales"
schedule = { cron = "5 * * * *" }
sla = { max_duration = "20m" }

[jobs.quarterly]
schedule = { every = "15m" }

[jobs.nightly]
owner = "ada@example.com"
team = "sales"
schedule = { cron = "30 22 * * *", timezone = "Europe/Berlin" }
sla = { max_duration = "1h30m", must_complete_by = { time = "06:00" }, max_data_age = "27h" }

[jobs.billing]
schedule = { cron = "0 7 * * mon-fri", timezone = "America/New_York" }
sla = { max_duration = "1h", must_complete_by = { time = "09:00", weekdays = ["mon", "tue", "wed", "thu", "fri"] } }

[jobs.weekly]
schedule = { cron = "0 6 * * mon", timezone = "Europe/Berlin" }
sla = { must_complete_by = { time = "12:00", weekdays = ["mon"] } }

[jobs.monthly]
schedule = { cron = "0 1 1 * *" }
sla = { max_duration = "6h", must_complete_by = { time = "12:00" } }

[jobs.warehouse]
schedule = { cron = "30 2 * * *", timezone = "Europe/Berlin" }

[jobs.cleanup]
schedule = { cron = "0 4 * * *" }

[jobs.stats]
schedule = { cron = "0 3 * * *" }

[jobs.resting]
paused = true
schedule = { cron = "0 2 * * *" }
sla = { must_complete_by = { time = "06:00" } }

[jobs.batchtel_doctor]
schedule = { every = "15m" }
"""
"""The jobs of the fleet; `adhoc` and `burst` are not in it, and `resting` never runs."""

DAY: Final = 86400

Times = Callable[[float, float, random.Random], Iterator[float]]
"""When runs of a job are due from one time to another."""


class SimulatedJob(NamedTuple):
    """A job: when its runs are due, how long they last, and how many records they have.

    Attributes:
        name: of the job.
        times: when runs are due.
        seconds: the shortest and longest time of a run.
        records: fewest and most; zeros for a job without records.
        heartbeats: none for a DAG.
        sunday: how many times as long, with as many fewer records, a run of Sunday is.
    """

    name: str
    times: Times
    seconds: tuple[float, float]
    records: tuple[int, int] = (0, 0)
    heartbeats: bool = True
    sunday: float = 1.0


def cron(expression: str, zone: str = "UTC") -> Times:
    """Return the times of a cron expression."""
    schedule, within = Cron.of(expression), zones.zone(zone)

    def times(start: float, end: float, _: random.Random) -> Iterator[float]:
        due = schedule.previous(end - 1, within)
        while due is not None and due >= start:
            yield due
            due = schedule.previous(due - 1, within)

    return times


def now_and_then(start: float, end: float, chance: random.Random) -> Iterator[float]:
    """Yield times of a person who starts a job up to a few times a day, or not for days."""
    while (start := start + chance.expovariate(1 / (10 * 3600)) + 4 * 3600) < end:
        yield start


FLEET: Final = (
    SimulatedJob("ingest", cron("5 * * * *"), (180, 480), (1000, 1900)),
    SimulatedJob("quarterly", cron("*/15 * * * *"), (5, 40), (10, 300)),
    SimulatedJob("nightly", cron("30 22 * * *", "Europe/Berlin"), (2400, 4800), (80_000, 120_000)),
    SimulatedJob("billing", cron("0 7 * * mon-fri", "America/New_York"), (1200, 1800), (5000, 9000)),
    SimulatedJob("weekly", cron("0 6 * * mon", "Europe/Berlin"), (7200, 10_000), (10**6, 10**6 + 9000)),
    SimulatedJob("monthly", cron("0 1 1 * *"), (9000, 16_000), (10**7, 10**7 + 9000)),
    SimulatedJob("warehouse", cron("30 2 * * *", "Europe/Berlin"), (3000, 4800), heartbeats=False),
    SimulatedJob("cleanup", cron("0 4 * * *"), (10, 50)),
    SimulatedJob("stats", cron("0 3 * * *"), (600, 900), (40_000, 60_000), sunday=5.0),
    SimulatedJob("adhoc", now_and_then, (60, 900), (10, 90)),
    SimulatedJob("burst", cron("0 */6 * * *"), (600, 1100), (500, 900)),
    SimulatedJob("batchtel_doctor", cron("*/15 * * * *"), (2, 6)),
)
"""Hourly to monthly jobs, at the hour that clocks leave out, without heartbeats, without records, five at once."""


def runs(job: SimulatedJob, start: float, end: float, seed: int = 7) -> list[Run]:
    """Return the healthy runs of a job that start within a time, in order; the same ones for the same seed."""
    chance = random.Random(f"{job.name} {seed}")
    found = []
    for due in job.times(start, end, chance):
        times = 5 if job.name == "burst" else 1
        found += [_run(job, due, chance) for _ in range(times)]
    return sorted(found, key=lambda run: run.start)


def _run(job: SimulatedJob, due: float, chance: random.Random) -> Run:
    wait = chance.uniform(1, 50)
    # 1970-01-01 was a Thursday.
    factor = job.sunday if int(due // DAY) % 7 == 3 else 1.0
    seconds = chance.uniform(*job.seconds) * factor
    retries = chance.choice((1, 2, 3)) if chance.random() < 0.05 else 0
    return Run(
        start=due + wait,
        end=due + wait + seconds,
        records=round(chance.randint(*job.records) / factor),
        failed=job.records[0] // 200 if chance.random() < 0.3 else 0,
        retries=retries,
        wait=wait,
        score=chance.uniform(0.95, 1.0) if job.name == "nightly" else None,
        data=due - 600 if job.name == "nightly" else None,
    )
