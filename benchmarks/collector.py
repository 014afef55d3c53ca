"""Group `collector`: CPU of the rendered pipeline for a data point, and whether its memory grows with runs.

The whole stack runs, as `batchtel stack up` starts it; only the collector is measured. Every run sends what a real
one-shot job has sent (see `recorded`): its metrics and, for the last rows of the runs, its spans and log records too.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from batchtel.cli.main import Failure
from batchtel_stack.ports import Ports
from batchtel_stack.stack import Stack
from benchmarks import load
from benchmarks.programs import OPENER
from benchmarks.recorded import Recorded, record
from benchmarks.report import Column, Goal, Report
from benchmarks.watched import Watched

RUNS: Final = (1_000, 10_000, 100_000)
"""Runs that the collector has seen, of few jobs."""

SERIES: Final = (1_000, 10_000, 100_000)
"""Series in Prometheus, about; each size in a collector of its own."""

DETAILED_RUNS: Final = 2_000
"""Runs with spans and log records: each is written to disk before it is acknowledged, so they need 15 times as long."""

JOBS: Final = 5
RUNS_FOR_SERIES: Final = 10_000
SERIES_OF_A_JOB: Final = 37
"""Of the job that is sent: 7 counters of 8 series, 2 states, histograms of 15 and 7 bounds. Only a first guess."""

GOAL: Final = 1.2
"""Memory after 100,000 runs, as a multiple of that after 1,000."""

ARRIVAL_SECONDS: Final = 180.0
"""Longest wait until Prometheus has the last run: an export interval of 15 s, and time for a busy machine."""

_COLUMNS: Final = (
    Column("what", "", "text"),
    Column("runs", "runs", "count"),
    Column("series", "series", "count"),
    Column("points_per_cpu_s", "points / CPU s", "count"),
    Column("cpu_per_run_s", "CPU / run", "us"),
    Column("runs_per_s", "runs / s", "count"),
    Column("memory_bytes", "memory, at rest", "MiB"),
    Column("memory_peak_bytes", "highest", "MiB"),
)


def measure(
    folder: Path,
    progress: Callable[[str], None],
    runs: tuple[int, ...] = RUNS,
    series: tuple[int, ...] = SERIES,
    detailed_runs: int = DETAILED_RUNS,
    runs_for_series: int = RUNS_FOR_SERIES,
    export_interval: str = "15s",
) -> Report:
    """Send runs to the rendered pipeline until it has seen each number of `runs`, then into each number of `series`."""
    report = Report("collector", "The collector of the environment local, by runs and by series", _COLUMNS)
    recorded = record()
    metrics = recorded.metrics_only()
    report.notes.append(
        f"A run is one request with {metrics.points} data points, with spans and log records {len(recorded.requests)} "
        "requests. CPU: until Prometheus has the last run, with the writing of all series at every export interval."
    )
    with running(folder / "runs", export_interval, progress) as bench:
        report.rows.extend(bench.grow(metrics, total, JOBS, f"{total:,} runs in all") for total in runs)
        report.rows.append(bench.grow(recorded, bench.runs + detailed_runs, JOBS, "with spans and log records"))
    for number in series:
        with running(folder / f"series-{number}", export_interval, progress) as bench:
            jobs = max(1, round(number / SERIES_OF_A_JOB))
            report.rows.append(bench.grow(metrics, max(jobs, runs_for_series), jobs, f"about {number:,} series"))
    first, last = report.rows[0], report.rows[len(runs) - 1]
    report.goals.append(
        Goal(f"memory after {runs[-1]:,} runs / after {runs[0]:,}", last["memory_bytes"] / first["memory_bytes"], GOAL)
    )
    return report


@dataclass
class Bench:
    """A stack whose collector is measured; `runs` is how many were sent to it."""

    stack: Stack
    collector: Watched
    progress: Callable[[str], None]
    runs: int = 0

    def grow(self, recorded: Recorded, total: int, jobs: int, what: str) -> dict[str, Any]:
        """Send runs until there are `total`, wait until Prometheus has them, and return the row of this stretch."""
        self.collector.pop_memory()
        before, begun = self.collector.cpu(), time.monotonic()
        load.send(recorded, self.stack.otlp_http, range(self.runs, total), jobs, self._sent)
        sent = time.monotonic() - begun
        self._arrive(total)
        # The kernel counts in hundredths: a few runs may cost none.
        cpu = max(self.collector.cpu() - before, 0.01)
        new, self.runs = total - self.runs, total
        at_rest = self.collector.memory()
        return {
            "what": what,
            "runs": new,
            "series": self._ask('count({__name__=~"batch_[a-z_]+"})'),
            "points_per_cpu_s": new * recorded.points / cpu,
            "cpu_per_run_s": cpu / new,
            "runs_per_s": new / sent,
            "memory_bytes": at_rest,
            "memory_peak_bytes": self.collector.pop_memory()[1],
        }

    def _sent(self, number: int) -> None:
        if number % 5_000 == 4_999:
            self.progress(f"{number + 1:,} runs sent")

    def _arrive(self, total: int) -> None:
        self.progress(f"waiting until Prometheus has {total:,} runs")
        begun = time.monotonic()
        while (seen := self._ask("sum(batch_job_runs_started_total)")) != total:
            if time.monotonic() - begun > ARRIVAL_SECONDS:
                raise Failure(f"Prometheus has {seen:,.0f} of {total:,} runs after {ARRIVAL_SECONDS:.0f} s", 3)
            time.sleep(0.25)

    def _ask(self, query: str) -> float:
        """Return the value of a query with one result; 0 where it has none."""
        with OPENER.open(f"{self.stack.prometheus}/api/v1/query?{urlencode({'query': query})}", timeout=60) as answer:
            result = json.load(answer)["data"]["result"]
        return float(result[0]["value"][1]) if result else 0.0


@contextmanager
def running(
    folder: Path, export_interval: str, progress: Callable[[str], None], overrides: Mapping[str, object] | None = None
) -> Iterator[Bench]:
    """Run a stack of the environment `local`, with `overrides` merged into it."""
    with Stack.running(
        folder, Ports.free(), export_interval=export_interval, notify=progress, overrides=overrides
    ) as stack:
        pid = next(status.pid for status in stack.status() if status.name == "collector")
        assert pid is not None
        with Watched(pid) as collector:
            yield Bench(stack, collector, progress)
