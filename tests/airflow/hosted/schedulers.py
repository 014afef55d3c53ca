"""One Airflow whose scheduler is started again for each run of the DAG `hosted`, in another environment each time.

Tasks are forked from the scheduler, so its environment decides whether batchtel is there; database, API server and DAG
are the same for all, so that what differs between two runs comes from batchtel.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from tests.airflow.airflow import FINISHED, Airflow
from tests.support.polling import until

DAG_ID: Final = "hosted"
SECONDS: Final = 120.0
"""How long one run may last; it lasts about 15 s alone on two cores."""


@dataclass
class Played:
    """What is left of one run: Airflow's states and logs, what the scheduler wrote, and what was seen of processes.

    `threads` has, for the scheduler and each kind of its own children, the most threads that one had at a time;
    `exit_code` is the scheduler's, if it ended by itself; `files` are those of a temporary folder of its own.
    """

    airflow: Airflow
    run_id: str
    output: str = ""
    threads: dict[str, int] = field(default_factory=dict)
    exit_code: int | None = None
    files: set[str] = field(default_factory=set)

    @property
    def states(self) -> dict[str, str]:
        """State of each task, and of the run by the name of the DAG."""
        query = "SELECT task_id, state FROM task_instance WHERE run_id = ?"
        (run,) = self.airflow.rows("SELECT state FROM dag_run WHERE run_id = ?", self.run_id)
        return {**dict(self.airflow.rows(query, self.run_id)), DAG_ID: run[0]}

    def log(self, task_id: str) -> str:
        """Return Airflow's own log of a task."""
        folder = self.airflow.folder / "logs" / f"dag_id={DAG_ID}" / f"run_id={self.run_id}" / f"task_id={task_id}"
        return "".join(file.read_text(encoding="utf-8") for file in sorted(folder.rglob("*.log")))

    @property
    def seconds(self) -> list[float]:
        """How long task processes were there: each, by its supervisor, or in Airflow 2 one, from its success on."""
        variables = [float(found) for found in re.findall(r"Workload finished.* duration=([\d.]+)", self.output)]
        return variables or [self._from_success_to_exit()]

    def _from_success_to_exit(self) -> float:
        lines = self.log("writes").splitlines()
        marked, exited = (
            next(line for line in lines if text in line) for text in ("Marking task as SUCCESS", "Task exited with")
        )
        return (_time(exited) - _time(marked)).total_seconds()


def _time(line: str) -> datetime:
    return datetime.strptime(line[1 : line.index("]")], "%Y-%m-%dT%H:%M:%S.%f%z")


def play(airflow: Airflow, run_id: str, variables: Mapping[str, str]) -> Played:
    """Let a scheduler with `variables` run the DAG once, stop it, and wait for the end of all it has started.

    Raises:
        TimeoutError: the run did not end, or a process outlives the scheduler by 25 s.
    """
    played = Played(airflow, run_id)
    temporary = airflow.folder / f"tmp-{run_id}"
    temporary.mkdir()
    mark = f"TMPDIR={temporary}"
    with airflow.another_scheduler(f"scheduler-{run_id}", {**variables, "TMPDIR": str(temporary)}) as process:
        # Whoever makes a run decides on its trace.
        airflow.command("dags", "trigger", DAG_ID, "--run-id", run_id, variables=variables)

        def look() -> bool | None:
            _see(process.pid, played.threads)
            played.exit_code = process.poll()
            ((state,),) = airflow.rows("SELECT state FROM dag_run WHERE run_id = ?", run_id)
            left = _task_processes(process.pid)
            return True if played.exit_code is not None or (state in FINISHED and not left) else None

        until(f"the end of run {run_id}", look, SECONDS, lambda: airflow.log(f"scheduler-{run_id}")[-3000:])

    until(
        f"the end of all processes of run {run_id}",
        lambda: None if _marked(mark) else True,
        25,
        lambda: str({pid: _title(pid) for pid in _marked(mark)}),
    )
    played.output = airflow.log(f"scheduler-{run_id}")
    played.files = {str(file.relative_to(temporary)) for file in temporary.rglob("*") if file.is_file()}
    return played


def _see(scheduler: int, threads: dict[str, int]) -> None:
    """Note how many threads the scheduler and its own children have; a task process is a child of such a child."""
    for pid, title in [(scheduler, "scheduler"), *((child, _title(child)) for child in _children([scheduler]))]:
        try:
            count = len(os.listdir(f"/proc/{pid}/task"))
        except OSError:
            continue  # it has just ended
        threads[title] = max(count, threads.get(title, 0))


def _task_processes(scheduler: int) -> list[int]:
    """Return the task processes."""
    return _children(child for child in _children([scheduler]) if _title(child) == "worker -- LocalExecutor")


def _children(parents: Iterable[int]) -> list[int]:
    found, wanted = [], set(parents)
    for pid in _processes():
        try:
            status = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue
        if int(status.rpartition(")")[2].split()[1]) in wanted:
            found.append(pid)
    return found


def _title(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return "ended"
    kinds = ("worker -- LocalExecutor", "batchtel.airflow.helper")
    return next((kind for kind in kinds if kind in command), command)


def _marked(mark: str) -> list[int]:
    """Return the processes with `mark` in their environment; those of Airflow have written their titles over it."""
    found = []
    for pid in _processes():
        try:
            if mark.encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.append(pid)
        except OSError:
            continue
    return found


def _processes() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
