"""Group `exit`: what a collector that is dead, or hangs, costs a job at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import programs
from benchmarks.jobs import PROTOCOLS
from benchmarks.pairs import Measured, Variants, interleaved, median
from benchmarks.programs import Endpoints
from benchmarks.report import Column, Goal, Report
from benchmarks.spent import SCRIPTS, python

ROUNDS: Final = 3
"""A round lasts a minute, nearly all of it the stock SDK's waiting; the spread is far below the difference."""

GOAL: Final = 2.2
"""Seconds."""

_TOOLS: Final = {"plain SDK": "plain_sdk_job.py", "batchtel": "batchtel_job.py"}
_COLUMNS: Final = (
    Column("collector", "collector", "text"),
    Column("protocol", "protocol", "text"),
    Column("batchtel_s", "batchtel", "s"),
    Column("plain_sdk_s", "plain SDK", "s"),
    Column("ratio", "batchtel / SDK's", "ratio"),
)


def measure(folder: Path, progress: Callable[[str], None], rounds: int = ROUNDS) -> Report:
    """Run a job against a collector that works, one that is down and one that hangs; `folder` holds logs."""
    report = Report("exit", f"Delay at exit: wall time beyond a working collector's (medians of {rounds})", _COLUMNS)
    with _variants(folder) as variants:
        measured = interleaved(variants, rounds, progress, warm_up=False)
    for collector in ("refuses", "hangs"):
        for protocol in PROTOCOLS.values():
            ours, theirs = (delay(measured, tool, protocol, collector) for tool in ("batchtel", "plain SDK"))
            report.rows.append(
                {
                    "collector": collector,
                    "protocol": protocol,
                    "batchtel_s": ours,
                    "plain_sdk_s": theirs,
                    "ratio": ours / theirs,
                }
            )
            report.goals.append(Goal(f"seconds at exit, collector {collector}, {protocol}", ours, GOAL))
    return report


@contextmanager
def _variants(folder: Path) -> Iterator[Variants]:
    with programs.sink(folder) as working, programs.hanging() as hanging:
        collectors: dict[str, Endpoints] = {"works": working, "refuses": programs.refused(), "hangs": hanging}
        yield {
            _name(tool, called, collector): partial(
                python, SCRIPTS / script, variables=endpoints.variables(protocol), may_complain=collector != "works"
            )
            for collector, endpoints in collectors.items()
            for protocol, called in PROTOCOLS.items()
            for tool, script in _TOOLS.items()
        }


def delay(measured: Measured, tool: str, protocol: str, collector: str) -> float:
    """Return the seconds that a job lasts longer than with a collector that works."""
    works = median(measured[_name(tool, protocol, "works")], "wall")
    return median(measured[_name(tool, protocol, collector)], "wall") - works


def _name(tool: str, protocol: str, collector: str) -> str:
    return f"{tool}, {protocol}, collector {collector}"
