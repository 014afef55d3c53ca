"""Group `calls`: what one call costs a job, against plain SDK calls and prometheus_client."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import programs
from benchmarks.pairs import interleaved
from benchmarks.report import Column, Goal, Report
from benchmarks.spent import SCRIPTS, python

ROUNDS: Final = 9
CALLS: Final = {"records": 100_000, "step": 4_000}
"""How often each call is made; a step waits in a queue until it is sent, so that there are fewer."""

GOALS: Final = {"records": 1.3, "step": 1.6}
"""At most so many times the CPU of the plain SDK."""

_SAME: Final = "plain SDK, same records"
_TOOLS: Final = {
    "batchtel": "batchtel_calls.py",
    "plain SDK": "plain_sdk_calls.py",
    _SAME: "plain_sdk_same_records.py",
    "prometheus_client": "prometheus_calls.py",
}
_COLUMNS: Final = (
    Column("call", "call", "text"),
    Column("tool", "with", "text"),
    Column("cpu_s_per_call", "CPU a call", "us"),
    Column("ratio_to_sdk", "CPU / SDK's", "ratio"),
)


def measure(folder: Path, progress: Callable[[str], None], rounds: int = ROUNDS) -> Report:
    """Run each tool with and without the calls, interleaved; the difference is theirs, export included."""
    report = Report("calls", f"CPU of one call (medians of {rounds} interleaved rounds)", _COLUMNS)
    report.notes.append("prometheus_client makes no span, no log record and sends nothing here.")
    report.notes.append(
        "plain SDK: of a step a span, two counters and a histogram, without the log record, the states and the seconds "
        f"alive that batchtel adds; `{_SAME}` has them all, so that like is compared with like."
    )
    with programs.sink(folder) as sink:
        for call, calls in CALLS.items():
            variants = {}
            tools = {tool: script for tool, script in _TOOLS.items() if tool != _SAME or call == "step"}
            for tool, script in tools.items():
                for number in (0, calls):
                    variables = sink.variables("http/protobuf") | {"CALL": call, "CALLS": str(number)}
                    variants[f"{tool} {number}"] = partial(python, SCRIPTS / script, variables=variables)
            progress(f"{call}, {calls} times")
            measured = interleaved(variants, rounds, progress)
            cost = {
                tool: statistics.median(
                    (busy.cpu - idle.cpu) / calls
                    for idle, busy in zip(measured[f"{tool} 0"], measured[f"{tool} {calls}"], strict=True)
                )
                for tool in tools
            }
            for tool, seconds in cost.items():
                ratio = seconds / cost["plain SDK"]
                report.rows.append({"call": call, "tool": tool, "cpu_s_per_call": seconds, "ratio_to_sdk": ratio})
            what = f"{call}(): CPU / the plain SDK's"
            report.goals.append(Goal(what, cost["batchtel"] / cost["plain SDK"], GOALS[call]))
    return report
