"""Many short runs of five jobs, eight at a time, each in a process of its own and shorter than an export interval.

    python -m batchtel_stack.demo.jobs.fleet FOLDER FIRST LAST

A worker, like those of a scheduler: it imports what the jobs need once and forks for each run. A new interpreter needs
0.7 s of CPU per run, a fork 0.15 s.
"""

from __future__ import annotations

import csv
import importlib
import itertools
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import batchtel
from batchtel_stack import children
from batchtel_stack.demo import airports, ledger
from batchtel_stack.demo.airports import Airport

AT_ONCE: Final = 8
RECORDS: Final = 100
"""Airports of one delivery."""

FLUSH_SECONDS: Final = 30.0

IMPORTED_ONCE: Final = (
    "batchtel.telemetry.logs",
    "batchtel.telemetry.metrics",
    "batchtel.telemetry.spans",
    "batchtel.export.http_client",
    "opentelemetry.exporter.otlp.proto.common._log_encoder",
    "opentelemetry.exporter.otlp.proto.common.trace_encoder",
)


def highest(deliveries: list[Airport]) -> object:
    """Find the airport with the greatest elevation."""
    return max(deliveries, key=lambda airport: float(airport["elevation"]))["name"]


def countries(deliveries: list[Airport]) -> object:
    """Find the countries."""
    return {airport["country"] for airport in deliveries}


def northernmost(deliveries: list[Airport]) -> object:
    """Find the airport that is nearest to the north pole."""
    return max(deliveries, key=lambda airport: float(airport["lat"]))["name"]


def time_zones(deliveries: list[Airport]) -> object:
    """Find the time zones."""
    return {airport["tz"] for airport in deliveries}


def longest_name(deliveries: list[Airport]) -> object:
    """Find the airport with the longest name."""
    return max(deliveries, key=lambda airport: len(airport["name"]))["name"]


JOBS: Final[dict[str, Callable[[list[Airport]], object]]] = {
    "highest_report": highest,
    "country_report": countries,
    "north_report": northernmost,
    "zone_report": time_zones,
    "sign_report": longest_name,
}


def arrives(number: int) -> bool:
    """Whether the delivery for a run exists; every eighth round of all jobs lacks it, from the second round on."""
    return number // len(JOBS) % 8 != 1


def deliver(folder: Path, first: int, last: int) -> None:
    """Write the files that the runs `first` to `last - 1` read: airports, 100 a file."""
    wanted = itertools.islice(airports.read(), (last - first) * RECORDS)
    for number in range(first, last):
        block = list(itertools.islice(wanted, RECORDS))
        if arrives(number):
            with _delivery(folder, number).open("w", newline="") as file:
                rows = csv.DictWriter(file, block[0])
                rows.writeheader()
                rows.writerows(block)


def run(folder: Path, number: int) -> None:
    """Run one job: read the delivery and report on it."""
    name = list(JOBS)[number % len(JOBS)]
    with batchtel.job(name, type="report") as job, ledger.run(name, job.run_id, job.attempt) as page:
        with batchtel.step("report") as step, page.step("report") as ours:
            with _delivery(folder, number).open(newline="") as file:
                delivered = list(csv.DictReader(file))
            ours.count(read=len(delivered), written=1)
            step.records(read=len(delivered), written=1)
            job.set(result=str(JOBS[name](delivered)))
        page.count(processed=len(delivered))
        job.records(processed=len(delivered))


def main(folder: Path, numbers: Iterable[int]) -> None:
    """Fork for each run, at most eight at a time."""
    _import_all()
    worker = os.getpid()
    running = 0
    for number in numbers:
        if running == AT_ONCE:
            os.wait()
            running -= 1
        if os.fork() == 0:
            children.tie(worker)
            _child(folder, number)
        running += 1
    for _ in range(running):
        os.wait()


def _child(folder: Path, number: int) -> None:
    try:
        run(folder, number)
    except OSError as error:
        print(f"run {number}: {error}", file=sys.stderr)  # noqa: T201  # a worker's log
    finally:
        # A worker's child ends without the interpreter's exit handlers, so it flushes itself.
        batchtel.flush(FLUSH_SECONDS)
        os._exit(0)


def _import_all() -> None:
    """Import what the first run would; no telemetry is built yet, so that each child builds its own."""
    for module in IMPORTED_ONCE:
        importlib.import_module(module)


def _delivery(folder: Path, number: int) -> Path:
    return folder / f"delivery-{number}.csv"


if __name__ == "__main__":
    main(Path(sys.argv[1]), range(int(sys.argv[2]), int(sys.argv[3])))
