"""Group `rollup`: run_rollup beside the stock pipeline: CPU of a data point, acknowledgement, memory, recovery.

The whole stack runs twice at the same time for the rows by runs, once with each way to aggregate, and both get the same
runs in turn.
"""

from __future__ import annotations

import http.client
import itertools
import os
import re
import signal
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from batchtel_stack.ports import HOST
from benchmarks import load
from benchmarks.collector import JOBS, RUNS_FOR_SERIES, SERIES_OF_A_JOB, Bench, running
from benchmarks.programs import OPENER
from benchmarks.recorded import Recorded, record
from benchmarks.report import Column, Goal, Report

ENGINES: Final = ("exact", "stock")

RUNS: Final = (1_000, 10_000, 100_000)
"""Runs that each collector has seen."""

SERIES: Final = (1_000, 10_000, 100_000)
"""Series in Prometheus, about; each size in a collector of its own."""

RATE: Final = 1_000
"""Data points a second for which the acknowledgement is measured."""

SECONDS: Final = 20.0
"""Duration of that measurement."""

_COLUMNS: Final = (
    Column("what", "", "text"),
    Column("engine", "engine", "text"),
    Column("runs", "runs", "count"),
    Column("series", "series", "count"),
    Column("points_per_cpu_s", "points / CPU s", "count"),
    Column("memory_bytes", "memory, at rest", "MiB"),
    Column("ack_p50_s", "ack p50", "ms"),
    Column("ack_p99_s", "ack p99", "ms"),
    Column("recovery_s", "recovery", "ms"),
)

_RECOVERY: Final = re.compile(
    r"^otelcol_processor_run_rollup_recovery_time(?:_seconds)?(?:\{[^}]*\})? (\S+)$", re.MULTILINE
)


def measure(
    folder: Path,
    progress: Callable[[str], None],
    runs: tuple[int, ...] = RUNS,
    series: tuple[int, ...] = SERIES,
    seconds: float = SECONDS,
    runs_for_series: int = RUNS_FOR_SERIES,
    export_interval: str = "15s",
) -> Report:
    """Send the same runs to both pipelines, then acknowledge at a fixed rate, then fill each number of series."""
    report = Report("rollup", "run_rollup and the stock pipeline", _COLUMNS)
    metrics = record().metrics_only()
    report.notes.append(f"A run is one request with {metrics.points} data points. fsync is on.")
    with ExitStack() as stack:
        benches = {
            engine: stack.enter_context(
                _bench(folder / engine, export_interval, progress, engine, max(series, default=0))
            )
            for engine in ENGINES
        }
        grown: dict[str, list[dict[str, Any]]] = {engine: [] for engine in ENGINES}
        for total, engine in itertools.product(runs, ENGINES):
            row = benches[engine].grow(metrics, total, JOBS, f"{total:,} runs in all")
            grown[engine].append(_row(row, engine))
            report.rows.append(grown[engine][-1])
        for engine in ENGINES:
            progress(f"{engine}: acknowledgement at {RATE:,} points a second")
            report.rows.append(_acknowledged(benches[engine], metrics, seconds, engine))
    for number, engine in itertools.product(series, ENGINES):
        place = folder / f"{engine}-{number}"
        with _bench(place, export_interval, progress, engine, number) as bench:
            jobs = max(1, round(number / SERIES_OF_A_JOB))
            row = _row(bench.grow(metrics, max(jobs, runs_for_series), jobs, f"about {number:,} series"), engine)
            report.rows.append(row | ({"recovery_s": _recovery(bench)} if engine == "exact" else {}))
    exact, stock = grown["exact"], grown["stock"]
    per_point = [row[-1]["points_per_cpu_s"] for row in (stock, exact)]
    remembered = sum(row["runs"] for row in exact) - exact[0]["runs"]
    if remembered:
        grown_by = (exact[-1]["memory_bytes"] - exact[0]["memory_bytes"]) / remembered
        report.notes.append(
            f"exact: {grown_by:,.0f} bytes of resident memory for each run, which it remembers for an hour."
        )
    acknowledged = next(row["ack_p99_s"] for row in report.rows if row["engine"] == "exact" and "ack_p99_s" in row)
    report.goals += [
        Goal("CPU of a data point, exact / stock", per_point[0] / per_point[1], 1.0),
        Goal(f"acknowledgement p99 at {RATE:,} points a second, ms", acknowledged * 1000, 25.0),
        Goal(
            f"memory of exact after {runs[-1]:,} runs / after {runs[0]:,}",
            exact[-1]["memory_bytes"] / exact[0]["memory_bytes"],
            1.2,
        ),
    ]
    report.goals += [
        Goal(f"recovery of {row['what']}, s", row["recovery_s"], 5.0) for row in report.rows if "recovery_s" in row
    ]
    return report


def _bench(
    folder: Path, export_interval: str, progress: Callable[[str], None], engine: str, series: int
) -> AbstractContextManager[Bench]:
    # One metric may have half of the limit, and a series needs about 20 KiB with stock.
    overrides = {"aggregation": engine, "series_limit": max(50_000, 4 * series), "memory_limit": "4GiB"}
    return running(folder, export_interval, progress, overrides)


def _row(grown: dict[str, Any], engine: str) -> dict[str, Any]:
    keys = {column.key for column in _COLUMNS}
    return {"engine": engine, **{key: figure for key, figure in grown.items() if key in keys}}


def _acknowledged(bench: Bench, metrics: Recorded, seconds: float, engine: str) -> dict[str, Any]:
    """Send runs at the rate over several connections, each when its time has come; return the row of latencies."""
    between = metrics.points / RATE
    count = max(1, round(seconds / between))
    begun = time.monotonic()

    def work(first: int) -> list[float]:
        found = []
        with closing(http.client.HTTPConnection(urlsplit(bench.stack.otlp_http).netloc, timeout=60)) as connection:
            for number in range(first, count, load.CONNECTIONS):
                ((path, body),) = metrics.run(bench.runs + number, number % JOBS)
                time.sleep(max(0.0, begun + number * between - time.monotonic()))
                at = time.perf_counter()
                load.post(connection, path, body)
                found.append(time.perf_counter() - at)
        return found

    with ThreadPoolExecutor(load.CONNECTIONS) as pool:
        latencies = sorted(itertools.chain.from_iterable(pool.map(work, range(load.CONNECTIONS))))
    bench.runs += count
    return {
        "what": f"{RATE:,} points a second",
        "engine": engine,
        "runs": count,
        "ack_p50_s": statistics.median(latencies),
        "ack_p99_s": latencies[min(len(latencies) - 1, round(0.99 * len(latencies)))],
    }


def _recovery(bench: Bench) -> float:
    """Kill the collector, start the stack again, and return the seconds that reading the totals lasted."""
    (pid,) = [status.pid for status in bench.stack.status() if status.name == "collector"]
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    bench.stack.stop()
    bench.stack.start(tied=True, notify=bench.progress)
    with OPENER.open(f"http://{HOST}:{bench.stack.ports.collector_metrics}/metrics", timeout=30) as answer:
        found = _RECOVERY.search(answer.read().decode())
    assert found is not None
    return float(found[1])
