"""The whole demo: run the scenarios on a target, and compare its stores with the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from batchtel_stack.demo import scenarios
from batchtel_stack.demo.compare import Comparison, Witnesses
from batchtel_stack.demo.jobs import etl
from batchtel_stack.demo.one_run import OneRun
from batchtel_stack.demo.processes import Processes
from batchtel_stack.demo.target import Target

EXPORT_INTERVAL: Final = 5
"""Seconds between two writes to Prometheus on a stack of the demo's own; 15 as shipped would add 40 s of waiting."""


@dataclass(frozen=True)
class Series:
    """Number of series after the first pass and at the end, and how many of them have a run id."""

    before: int
    after: int
    with_run_id: int

    @property
    def ok(self) -> bool:
        """Whether their number is bounded: more runs have added no series."""
        return 0 < self.before == self.after and self.with_run_id == 0


@dataclass(frozen=True)
class Outcome:
    """The result; without `series` and `runs` if the first pass already differed and the demo was stopped.

    Attributes:
        products: the stores that were queried.
        comparisons: the scenarios.
        series: the numbers of series.
        runs: one run in full, once for each pair of stores that has it.
    """

    products: tuple[str, ...]
    comparisons: list[Comparison]
    series: Series | None = None
    runs: tuple[OneRun, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything is equal."""
        return (
            all(one.ok for one in self.comparisons)
            and self.series is not None
            and self.series.ok
            and bool(self.runs)
            and all(run.ok for run in self.runs)
        )


def play(target: Target, folder: Path, notify: Callable[[str], None]) -> Outcome:
    """Run all scenarios.

    Raises:
        UnavailableError: A job did not end as expected.
        StoreError: A store cannot be reached.
    """
    products = target.stores.products
    with Processes(folder, target.endpoint, target.service) as processes:
        witnesses = Witnesses(processes.ledger, target, time.time())
        notify("first pass: each job ends once in each of its ways")
        scenarios.first_pass(processes)
        notify("waiting until the stores are equal to the ledger")
        compared = witnesses.settle()
        if not all(one.ok for one in compared):
            notify("the stores differ from the ledger after the first pass; the rest is not run")
            return Outcome(products, compared)
        before = witnesses.number_of_series()
        left = scenarios.FLEET_RUNS - scenarios.FLEET_FIRST
        notify(f"they are equal; {before} series. Now the rest: {left} runs of the fleet")
        scenarios.rest(processes)
        notify("waiting until the stores are equal again, and comparing once more later")
        compared = witnesses.settle()
        series = Series(before, witnesses.number_of_series(), witnesses.series_with_run_id())
        return Outcome(products, compared, series, tuple(OneRun.find(witnesses, etl.JOB)))
