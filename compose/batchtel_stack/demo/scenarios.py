"""What the demo runs: five scenarios, in a first pass in which each job ends once in each of its ways, and the rest."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import Final

from batchtel_stack.demo import waiting
from batchtel_stack.demo.jobs import etl, fleet, idle, race, retry
from batchtel_stack.demo.processes import Processes, Running

FLEET_RUNS: Final = 200
FLEET_FIRST: Final = 2 * len(fleet.JOBS)
"""Runs of the fleet in the first pass: each job once with its delivery and once without."""

_READY_SECONDS: Final = 60.0
_HEAD_START: Final = 0.2


@dataclass(frozen=True)
class Scenario:
    """One scenario: its name, what happens in it, and the jobs that belong to it."""

    name: str
    title: str
    jobs: tuple[str, ...]


SCENARIOS: Final = (
    Scenario("race", f"{race.PROCESSES} processes fail the same step at the same moment", (race.JOB,)),
    Scenario(
        "fleet",
        f"{FLEET_RUNS} short runs of {len(fleet.JOBS)} jobs, {fleet.AT_ONCE} at a time, some without their delivery",
        tuple(fleet.JOBS),
    ),
    Scenario("etl", "extract, transform, load over real records, some of them bad", (etl.JOB,)),
    Scenario("retry", "an attempt fails, the next one of the same run succeeds", (retry.JOB,)),
    Scenario("green", "a job exits with 0 and has processed nothing", (idle.JOB,)),
)


def first_pass(processes: Processes) -> None:
    """Run everything but most of the fleet: afterwards no new job and no new way to end appears."""
    run_race(processes)
    prices = processes.folder / "prices.csv"
    identity = {"BATCHTEL_RUN_ID": str(uuid.uuid4())}
    extracting = processes.start(etl, processes.folder / "airports.sqlite")
    idling = processes.start(idle, processes.folder / "orders.sqlite")
    processes.finish(processes.start(retry, prices, variables=identity), exit_code=1)
    prices.write_text("AAA,1.10\nBBB,2.20\nCCC,3.30\n")
    again = processes.start(retry, prices, variables=identity | {"BATCHTEL_ATTEMPT": "2"})
    processes.finish(again, extracting, idling, start_fleet(processes, 0, FLEET_FIRST))


def rest(processes: Processes) -> None:
    """Run the rest of the fleet."""
    processes.finish(start_fleet(processes, FLEET_FIRST, FLEET_RUNS))


def run_race(processes: Processes) -> None:
    """Let ten processes get ready, then go at the same moment; each fails."""
    race.prepare(processes.folder)
    racing = [processes.start(race, processes.folder) for _ in range(race.PROCESSES)]
    waiting.until(
        f"{race.PROCESSES} processes at the start",
        lambda: race.ready(processes.folder),
        # One that has ended will never be ready; finish() reports its last lines.
        lambda ready: ready == race.PROCESSES or any(one.process.poll() is not None for one in racing),
        _READY_SECONDS,
        pause=0.02,
    )
    race.go(processes.folder, time.time() + _HEAD_START)
    processes.finish(*racing, exit_code=1)


def start_fleet(processes: Processes, first: int, last: int) -> Running:
    """Start the worker that runs the fleet's runs from `first` to `last - 1`."""
    fleet.deliver(processes.folder, first, last)
    return processes.start(fleet, processes.folder, first, last)
