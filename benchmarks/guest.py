"""Group `guest`: what heartbeat and redaction cost a busy job, with and without them and by the clocks of threads."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import programs
from benchmarks.pairs import interleaved, median
from benchmarks.report import Column, Goal, Report
from benchmarks.spent import SCRIPTS, Spent, python

ROUNDS: Final = 5
BATCHES: Final = 700
"""Files that the job loads; 700 need about 25 s of CPU."""

GOAL: Final = 0.01
"""Most CPU of heartbeat and redaction together, as a part of the job's CPU."""

_COLUMNS: Final = (
    Column("job", "job", "text"),
    Column("cpu_s", "CPU", "s"),
    Column("cpu_ratio", "CPU / bare's", "ratio"),
    Column("heartbeat_s", "heartbeat", "ms"),
    Column("beats", "beats", "count"),
    Column("redaction_s", "redaction", "ms"),
    Column("redaction_s_per_record", "redaction a record", "us"),
)


def measure(folder: Path, progress: Callable[[str], None], rounds: int = ROUNDS, batches: int = BATCHES) -> Report:
    """Run the job as it is, without heartbeat and redaction, and timed, `rounds` times, interleaved."""
    report = Report("guest", f"Heartbeat and redaction in a busy job (medians of {rounds} rounds)", _COLUMNS)
    spent: list[dict[str, float]] = []
    with programs.sink(folder) as sink:
        variables = sink.variables("http/protobuf") | {"BATCHES": str(batches), "SPENT": str(folder / "spent.json")}

        def run(variant: str) -> Spent:
            once = python(SCRIPTS / "busy_job.py", variables=variables | {"VARIANT": variant})
            if variant == "timed":
                spent.append(json.loads((folder / "spent.json").read_text()))
            return once

        measured = interleaved(
            {name: partial(run, name) for name in ("whole", "bare", "timed")}, rounds, progress, False
        )
    cpu = median(measured["timed"], "cpu")
    pairs = [whole.cpu / bare.cpu for whole, bare in zip(measured["whole"], measured["bare"], strict=True)]
    used = {key: statistics.median(one[key] for one in spent) for key in spent[0]}
    # The log records of the job, and those of its bad orders.
    records = batches + min(batches, 101)
    report.rows += [
        {"job": "whole", "cpu_s": median(measured["whole"], "cpu"), "cpu_ratio": statistics.median(pairs)},
        {"job": "bare", "cpu_s": median(measured["bare"], "cpu")},
        {
            "job": "timed",
            "cpu_s": cpu,
            "heartbeat_s": used["heartbeat"],
            "beats": used["beats"],
            "redaction_s": used["redaction"],
            "redaction_s_per_record": used["redaction"] / records,
        },
    ]
    share = (used["heartbeat"] + used["redaction"]) / cpu
    report.goals.append(Goal("CPU of heartbeat and redaction, part of the job's", share, GOAL))
    report.notes += [
        f"The job loads {batches:,} CSV files of 5,000 orders into SQLite and logs a record for each and for the first "
        f"100 bad orders: {records / cpu:.0f} records a CPU second; ten files are a step with its span and event.",
        f"Redaction would be {GOAL:.0%} of the CPU at {GOAL * records / used['redaction']:,.0f} records a CPU second.",
        "The parts are measured by the clocks of the threads that they run in; whole runs, with / without, were "
        f"{min(pairs):.3f} to {max(pairs):.3f} in the pairs, the machine's noise included.",
    ]
    return report
