"""The play from start to end: run the scenarios on a target, and compare its stores with the ledger."""

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

CADENCE: Final = 5
"""Seconds between two writes to Prometheus on a stack of the demo's own; 15 as shipped would add 40 s of waiting."""


@dataclass(frozen=True)
class Series:
    """Number of series after the first pass and in the end, and how many of all carry a run id."""

    before: int
    after: int
    with_run_id: int

    @property
    def ok(self) -> bool:
        """Whether their number is bounded: runs have made no series."""
        return 0 < self.before == self.after and self.with_run_id == 0


@dataclass(frozen=True)
class Outcome:
    """What was found; without `series` and `runs` if the first pass already differed and the play was stopped.

    Attributes:
        products: the stores that were asked.
        comparisons: the scenarios.
        series: how many series there are.
        runs: one run in full, once for each pair of stores that has it.
    """

    products: tuple[str, ...]
    comparisons: list[Comparison]
    series: Series | None = None
    runs: tuple[OneRun, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything agrees."""
        return (
            all(one.ok for one in self.comparisons)
            and self.series is not None
            and self.series.ok
            and bool(self.runs)
            and all(run.ok for run in self.runs)
        )


def play(target: Target, folder: Path, say: Callable[[str], None]) -> Outcome:
    """Run all scenarios.

    Raises:
        Failure: A job did not end as it should, or a store cannot be reached (exit code 3).
    """
    products = target.stores.products
    with Processes(folder, target.endpoint, target.service) as processes:
        witnesses = Witnesses(processes.ledger, target, time.time())
        say("first pass: every job, every way to end")
        scenarios.first_pass(processes)
        say("waiting until the stores say what the jobs have written down")
        compared = witnesses.settle()
        if not all(one.ok for one in compared):
            say("the stores differ from the ledger after the first pass; the rest is not run")
            return Outcome(products, compared)
        before = witnesses.number_of_series()
        say(f"they do; {before} series. Now the rest: {scenarios.FLEET_RUNS - scenarios.FLEET_FIRST} runs of the fleet")
        scenarios.rest(processes)
        say("waiting until the stores say it, and seeing that it stays so")
        compared = witnesses.settle()
        series = Series(before, witnesses.number_of_series(), witnesses.series_with_run_id())
        return Outcome(products, compared, series, tuple(OneRun.find(witnesses, etl.JOB)))
