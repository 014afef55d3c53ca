"""Group `stack`: the memory of the local stack's programs, idle and while the demo's jobs run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from batchtel_stack import state
from batchtel_stack.demo.play import EXPORT_INTERVAL, play
from batchtel_stack.demo.target import Target
from batchtel_stack.ports import Ports
from batchtel_stack.stack import Stack
from benchmarks.report import Column, Report
from benchmarks.watched import Watched

_COLUMNS = (
    Column("program", "program", "text"),
    Column("idle_bytes", "idle", "MiB"),
    Column("median_bytes", "demo, median", "MiB"),
    Column("highest_bytes", "demo, highest", "MiB"),
)


def measure(
    folder: Path, progress: Callable[[str], None], run: Callable[[Target, Path], object] | None = None
) -> Report:
    """Read the resident memory of each program, twice a second; the last row is the sum of all.

    `run` is what happens meanwhile: the whole demo unless it is given.
    """
    report = Report("stack", "Memory of the local stack", _COLUMNS)
    with (
        Stack.running(folder / "stack", Ports.free(), export_interval=f"{EXPORT_INTERVAL}s") as stack,
        ExitStack() as watching,
    ):
        recorded = state.read(stack.data)
        assert recorded is not None
        watched = {process.name: Watched(process.pid) for process in recorded.processes}
        idle = {name: program.memory() for name, program in watched.items()}
        for program in watched.values():
            watching.enter_context(program)
        target = Target.own(stack, EXPORT_INTERVAL)
        if run is None:
            play(target, folder, progress)
        else:
            run(target, folder)
        for name, program in watched.items():
            median, highest = program.pop_memory()
            report.rows.append(_row(name, idle[name], median, highest))
    totals = (sum(row[key] for row in report.rows) for key in ("idle_bytes", "median_bytes", "highest_bytes"))
    report.rows.append(_row("all", *totals))
    return report


def _row(program: str, idle: int, median: int, highest: int) -> dict[str, object]:
    return {"program": program, "idle_bytes": idle, "median_bytes": median, "highest_bytes": highest}
