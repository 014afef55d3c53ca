"""Group `command`: how much later a command starts below `batchtel run`, and what a job costs that is turned off."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from batchtel.cli.main import Failure
from benchmarks import programs
from benchmarks.pairs import Measured, interleaved, median, ratio
from benchmarks.report import Column, Goal, Report
from benchmarks.spent import SCRIPTS, Spent, python

ROUNDS: Final = 20
START_GOAL: Final = 0.060
"""Seconds by which a command may start later than without the wrapper."""

TURNED_OFF_GOAL: Final = 0.035
"""Seconds of a whole process with a job whose telemetry is turned off."""

_BARE: Final = "python -c pass"
_PRINTS_TIME: Final = ("date", "+%s%N")
_COLUMNS: Final = (
    Column("what", "what", "text"),
    Column("wall_s", "wall", "ms"),
    Column("later_s", "later than exec", "ms"),
    Column("peak_memory_bytes", "peak memory", "MiB"),
    Column("wall_ratio", "wall / SDK's", "ratio"),
)


def measure(folder: Path, progress: Callable[[str], None], rounds: int = ROUNDS) -> Report:
    """Start a command that prints the time, directly and below `batchtel run`; then jobs with telemetry off."""
    report = Report("command", f"Starting a command, and a job turned off (medians of {rounds} rounds)", _COLUMNS)
    with programs.sink(folder) as sink:
        variables = sink.variables("http/protobuf")
        wrapper = (str(Path(sys.executable).with_name("batchtel")), "run", "--")
        variants = {
            "exec": partial(_start, _PRINTS_TIME, variables),
            "batchtel run": partial(_start, (*wrapper, *_PRINTS_TIME), variables),
        }
        if importlib.util.find_spec("typer") is not None:
            variants["typer hello"] = partial(
                _start, (sys.executable, str(SCRIPTS / "typer_hello.py"), "you"), variables
            )
        else:
            report.notes.append("Left out: typer hello: typer is not installed; start it with `make bench`.")
        started = interleaved(variants, rounds, progress)
    later = {name: median(started[name], "wall") - median(started["exec"], "wall") for name in started}
    for name in started:
        row = {"what": f"until it runs: {name}", "wall_s": median(started[name], "wall"), "later_s": later[name]}
        report.rows.append(row)
    report.goals.append(Goal("start below batchtel run, s later than exec", later["batchtel run"], START_GOAL))
    if "typer hello" in later:
        share = later["batchtel run"] / later["typer hello"]
        report.goals.append(Goal("start below batchtel run / typer hello", share, 1.0))
    measured = _turned_off(progress, rounds)
    report.rows.extend(_rows(measured))
    off = median(measured["batchtel"], "wall")
    report.goals.append(Goal("a job with OTEL_SDK_DISABLED=true, s of the whole process", off, TURNED_OFF_GOAL))
    return report


def _turned_off(progress: Callable[[str], None], rounds: int) -> Measured:
    variables = {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
    jobs = {"plain SDK": SCRIPTS / "plain_sdk_job.py", "batchtel": SCRIPTS / "batchtel_job.py"}
    variants = {name: partial(python, script, variables=variables) for name, script in jobs.items()}
    bare = {_BARE: partial(python, "-c", "pass", variables={})}
    return interleaved(bare | variants, rounds, progress)


def _rows(measured: Measured) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name in measured:
        row: dict[str, Any] = {"what": name if name == _BARE else f"OTEL_SDK_DISABLED=true: {name}"}
        row |= {"wall_s": median(measured[name], "wall"), "peak_memory_bytes": median(measured[name], "peak_memory")}
        if name == "batchtel":
            row["wall_ratio"] = ratio(measured[name], measured["plain SDK"], "wall")
        rows.append(row)
    return rows


def _start(command: Sequence[str], variables: Mapping[str, str]) -> Spent:
    """Run a command that prints the Unix time in ns at which it got to work; `wall` is how long that took."""
    begun = time.time_ns()
    ended = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=60)
    if ended.returncode != 0 or not ended.stdout.strip().isdecimal():
        raise Failure(f"`{' '.join(command)}` ended with {ended.returncode}; it printed:\n{ended.stderr}", 3)
    return Spent((int(ended.stdout) - begun) / 1e9, 0.0, 0)
