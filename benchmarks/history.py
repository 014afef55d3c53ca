"""Group `history`: how long `batchtel runs` and the pages need with a month of 1,000 runs a day in the stores."""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from batchtel_stack.ports import Ports
from batchtel_stack.stack import Stack
from benchmarks.report import Column, Goal, Report

DAYS: Final = 30
RUNS: Final = 1000
"""Days, and runs a day."""

GOAL: Final = 2.0
"""Seconds of one command, the start of Python included, or of one page."""

_TIMES: Final = 5
_JOBS: Final = 40
_LINES: Final = 8
_FAILS: Final = 21
_COLUMNS: Final = (
    Column("command", "command", "text"),
    Column("wall_s", "median", "s"),
    Column("most_s", "longest", "s"),
)


def measure(folder: Path, progress: Callable[[str], None]) -> Report:
    """Write runs with three steps and eight log lines each to VictoriaLogs, then call each command five times."""
    report = Report("history", f"Commands and pages over {DAYS} days of {RUNS} runs", _COLUMNS)
    with Stack.running(folder / "stack", Ports.free(), overrides={"retention": {"detail": "40d"}}) as stack:
        began, last = time.time(), ""
        for day in range(DAYS, 0, -1):
            progress(f"writing the runs of day {DAYS - day + 1}")
            last = _written(stack.victorialogs, began - day * 86400.0)
        time.sleep(5)
        stores = ["--victorialogs", stack.victorialogs, "--prometheus", stack.prometheus]
        for arguments in (
            ["runs", "list"],
            ["runs", "list", "--since", "30d", "--limit", "1000"],
            ["runs", "list", "--since", "30d", "--status", "failure"],
            ["runs", "list", "--since", "30d", "--job", "job_7", "--status", "failure"],
            ["runs", "show", last],
            ["runs", "show", last[:-3]],
            ["runs", "compare", last],
        ):
            progress(" ".join(arguments))
            walls = sorted(_wall(arguments + stores) for _ in range(_TIMES))
            shown = " ".join({last: "RUN", last[:-3]: "BEGINNING"}.get(part, part) for part in arguments)
            _add(report, shown, walls)
        for path, walls in _pages(stores, last, progress):
            _add(report, path.replace(last, "RUN"), walls)
    return report


def _add(report: Report, what: str, walls: list[float]) -> None:
    report.rows.append({"command": what, "wall_s": statistics.median(walls), "most_s": walls[-1]})
    report.goals.append(Goal(what, statistics.median(walls), GOAL))


def _pages(stores: list[str], run: str, progress: Callable[[str], None]) -> Iterator[tuple[str, list[float]]]:
    """Yield pages with the seconds of each of their answers; the server answers one after the other."""
    command = [str(Path(sys.executable).with_name("batchtel")), "ui", "--port", "0", *stores]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        address = server.stderr.readline().split()[2]
        try:
            for path in ("/", "/runs?since=30d", "/runs?since=30d&status=failure&job=job_7", f"/run?id={run}"):
                progress(path)
                yield path, sorted(_answered(address + path) for _ in range(_TIMES))
        finally:
            server.terminate()


def _answered(url: str) -> float:
    began = time.perf_counter()
    with urllib.request.urlopen(url, timeout=60) as answer:
        answer.read()
    return time.perf_counter() - began


def _wall(arguments: list[str]) -> float:
    began = time.perf_counter()
    command = [str(Path(sys.executable).with_name("batchtel")), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
    return time.perf_counter() - began


def _written(url: str, began: float) -> str:
    """Write the runs of one day; return the id of a run that failed."""
    body = "\n".join(json.dumps(row) for row in _rows(began)).encode()
    fields = "_stream_fields=service.name,deployment.environment.name,batch.job.name&_time_field=_time&_msg_field=_msg"
    request = urllib.request.Request(
        f"{url}/insert/jsonline?{fields}", body, {"Content-Type": "application/stream+json"}
    )
    urllib.request.urlopen(request, timeout=60).close()
    return f"{round(began * 1000):012x}-{(RUNS - 1) // _FAILS * _FAILS:04d}-shop"


def _rows(began: float) -> Iterator[dict[str, Any]]:
    chance = random.Random(round(began))
    for number in range(RUNS):
        start, duration = began + number * 86400 / RUNS, chance.uniform(1, 3600)
        failed = number % _FAILS == 0
        run = {
            "service.name": "shop",
            "deployment.environment.name": "production",
            "batch.job.name": f"job_{number % _JOBS}",
            "batch.run.id": f"{round(began * 1000):012x}-{number:04d}-shop",
            "batch.run.attempt": "1",
        }
        end = {
            "batch.status": "failure" if failed else "success",
            "batch.started_at": datetime.fromtimestamp(start, UTC).isoformat(timespec="milliseconds"),
            "batch.duration": str(duration),
        }
        yield _row(run, start, "started", event_name="batch.run.started")
        for line in range(_LINES):
            yield _row(run, start + duration * line / _LINES, f"loaded part {line} with {chance.randrange(10**6)} rows")
        for step in ("extract", "transform", "load"):
            yield _row(
                run, start + duration, "step", event_name="batch.step.finished", **{"batch.step.name": step}, **end
            )
        error = {"error.type": "ValueError", "exception.stacktrace": "File x\n" * 50} if failed else {}
        records = {"batch.records.processed": str(chance.randrange(10**6))}
        yield _row(run, start + duration, "ended", event_name="batch.run.finished", **end, **records, **error)


def _row(run: dict[str, str], moment: float, message: str, **fields: str) -> dict[str, Any]:
    return {**run, **fields, "_time": datetime.fromtimestamp(moment, UTC).isoformat(), "_msg": message}
