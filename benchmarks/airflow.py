"""Group `airflow`: a DAG of 100 tasks that do nothing, with the plugin and without, collector up and hanging.

Each run has a scheduler of its own, since tasks are forked from it with what it has imported; database, API server and
DAG are the same for all.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

from batchtel.cli.main import Failure
from batchtel.export.outage_marker import Outage
from benchmarks import programs
from benchmarks.pairs import Measured, interleaved, median, ratio
from benchmarks.report import Column, Goal, Report
from benchmarks.spent import Spent
from tests.airflow import lines
from tests.airflow.airflow import FINISHED, Airflow

ROUNDS: Final = 3
TASKS: Final = 100
AT_ONCE: Final = 8
"""Tasks that run at the same time: enough for two cores where some wait for a collector."""

GOAL: Final = 1.05
"""Wall time of the run with the plugin, as a multiple of that without."""

LONGEST: Final = 900.0
"""Most seconds of one run; about 80 on two cores."""

DAGS: Final = Path(__file__).parent / "dags"

_DAG: Final = "hundred"
_WITHOUT: Final = "without"
_LONG: Final = "has hung for 10 s"
_COLUMNS: Final = (
    Column("run", "plugin", "text"),
    Column("wall_s", "DAG run", "s"),
    Column("wall_ratio", "/ without", "ratio"),
    Column("cpu_per_task_s", "CPU / task", "ms"),
    Column("cpu_ratio", "/ without", "ratio"),
    Column("scheduler_cpu_s", "CPU of the scheduler", "s"),
    Column("scheduler_cpu_ratio", "/ without", "ratio"),
    Column("helper_cpu_s", "CPU of the helper", "s"),
)


@dataclass(frozen=True, slots=True)
class Run(Spent):
    """What a run has used: `cpu` is that of its tasks and their supervisors; the scheduler's includes its start."""

    scheduler_cpu: float
    helper_cpu: float


def measure(folder: Path, progress: Callable[[str], None], rounds: int = ROUNDS, tasks: int = TASKS) -> Report:
    """Run the DAG once a round in each way; `folder` holds the home of Airflow."""
    report = Report("airflow", f"A DAG of {tasks} tasks that do nothing (medians of {rounds} rounds)", _COLUMNS)
    own = {"TASKS": str(tasks), "AIRFLOW__CORE__PARALLELISM": str(AT_ONCE)}
    with (
        programs.sink(folder) as up,
        programs.hanging() as hanging,
        lines.running("3.3", folder / "home", DAGS, own, scheduler=False) as airflow,
    ):
        environments: dict[str, Mapping[str, str]] = {
            _WITHOUT: {},
            "collector up": up.variables("http/protobuf"),
            "collector hangs": hanging.variables("http/protobuf"),
            _LONG: hanging.variables("http/protobuf"),
        }
        numbers = count()
        airflow.wait_for_dag(_DAG)
        progress("warm-up")
        _run(airflow, {}, f"run-{next(numbers)}")
        runs = {name: partial(_numbered, airflow, variables, numbers) for name, variables in environments.items()}
        runs[_LONG] = partial(_in_long_outage, runs[_LONG], environments[_LONG])
        measured = interleaved(runs, rounds, progress, warm_up=False)
    report.rows += [_row(name, measured, tasks) for name in environments]
    for name in list(environments)[1:]:
        walls = ratio(measured[name], measured[_WITHOUT], "wall")
        report.goals.append(Goal(f"wall time of the run, {name} / without", walls, GOAL))
    report.notes += [
        f"LocalExecutor, {AT_ONCE} tasks at once, PostgreSQL; a scheduler for each run. Ratios: medians of the pairs'.",
        "A task's CPU includes its supervisor and its way through the API client; not the API server.",
    ]
    return report


def _row(name: str, measured: Measured, tasks: int) -> dict[str, float | str]:
    row: dict[str, float | str] = {
        "run": name,
        "wall_s": median(measured[name], "wall"),
        "cpu_per_task_s": median(measured[name], "cpu") / tasks,
        "scheduler_cpu_s": median(measured[name], "scheduler_cpu"),
    }
    if name != _WITHOUT:
        row |= {
            f"{figure}_ratio": ratio(measured[name], measured[_WITHOUT], figure)
            for figure in ("wall", "cpu", "scheduler_cpu")
        }
        row["helper_cpu_s"] = median(measured[name], "helper_cpu")
    return row


def _numbered(airflow: Airflow, variables: Mapping[str, str], numbers: Iterator[int]) -> Run:
    return _run(airflow, variables, f"run-{next(numbers)}")


def _in_long_outage(run: Callable[[], Run], variables: Mapping[str, str]) -> Run:
    """Make a run while another process of the host gets no answer either, and has had none for a while."""
    waiting = "import batchtel, time\nwith batchtel.job('waiting'): time.sleep(3600)"
    environment = {**os.environ, **variables, "OTEL_EXPORTER_OTLP_TIMEOUT": "2"}
    job = subprocess.Popen([sys.executable, "-c", waiting], env=environment, stderr=subprocess.DEVNULL)
    try:
        outage = Outage(variables["OTEL_EXPORTER_OTLP_ENDPOINT"])
        _wait("an outage of 10 s", lambda: outage.is_long, 60)
        return run()
    finally:
        job.kill()
        job.wait()


def _run(airflow: Airflow, variables: Mapping[str, str], run_id: str) -> Run:
    """Let a fresh scheduler run the DAG once.

    Raises:
        Failure: a task has failed, or the run had not ended after 15 minutes (exit code 3).
    """
    airflow.command("dags", "trigger", _DAG, "--run-id", run_id)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with airflow.another_scheduler(run_id, variables) as scheduler:
        _wait(f"the end of {run_id}", lambda: _state(airflow, run_id) in FINISHED, LONGEST)
        # Processes of tasks that have a final state may still be about to exit.
        _wait("the end of its processes", lambda: not _busy(scheduler.pid), 60)
        own, helper = _cpu(scheduler.pid), sum(map(_cpu, _children(scheduler.pid, "batchtel.airflow.helper")))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if _state(airflow, run_id) != "success":
        raise Failure(f"{run_id} of the DAG has failed; see {airflow.folder}", 3)
    all_cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    seconds = "SELECT extract(epoch FROM end_date - start_date)::float FROM dag_run WHERE run_id = ?"
    return Run(airflow.rows(seconds, run_id)[0][0], all_cpu - own, after.ru_maxrss * 1024, own, helper)


def _state(airflow: Airflow, run_id: str) -> str:
    return str(airflow.rows("SELECT state FROM dag_run WHERE run_id = ?", run_id)[0][0])


def _wait(what: str, look: Callable[[], bool], seconds: float) -> None:
    """Look twice a second: the machine is being measured."""
    end = time.monotonic() + seconds
    while not look():
        if time.monotonic() > end:
            raise Failure(f"{what} was not there after {seconds:.0f} s", 3)
        time.sleep(0.5)


def _busy(scheduler: int) -> bool:
    return any(_children(worker, "") for worker in _children(scheduler, "LocalExecutor"))


def _children(parent: int, title: str) -> list[int]:
    """Return the child processes of `parent` whose command line has `title` in it."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            is_child = int(_stat(int(entry))[1]) == parent
            if is_child and title.encode() in Path(f"/proc/{entry}/cmdline").read_bytes():
                found.append(int(entry))
        except OSError:
            continue  # it has just ended
    return found


def _cpu(pid: int) -> float:
    """Return the CPU seconds of a process, without those of its children."""
    return sum(map(int, _stat(pid)[11:13])) / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third, the state, on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
