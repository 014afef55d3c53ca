"""The helper process of a scheduler: reads messages of the hooks from a socket and tells of DAG runs, until its end."""

from __future__ import annotations

import json
import os
import socket
import sys
from typing import Any, Final

from batchtel.airflow import outcomes, task_data
from batchtel.airflow.dag_run import ToldRun
from batchtel.airflow.facts import DagRun, Task
from batchtel.airflow.messenger import INLINE
from batchtel.airflow.open_runs import OpenRuns
from batchtel.airflow.told_task import PATIENCE, ToldTask
from batchtel.base.guard import LOGGER, harmless
from batchtel.telemetry.process import flush, telemetry


def serve(connection: socket.socket) -> None:
    """Tell what each message of `connection` says, or the file that comes with it, until its other end is closed."""
    while True:
        content, files, *_ = socket.recv_fds(connection, INLINE, 1)
        if not content:
            return
        _tell(_whole(files[0]) if files else content)
        process = telemetry()
        if process is not None:
            process.send_soon()


def _whole(file: int) -> bytes:
    os.lseek(file, 0, os.SEEK_SET)  # the sender has left it at its end
    with open(file, "rb") as content:
        return content.read()


@harmless(None)
def _tell(content: bytes) -> None:
    message: dict[str, Any] = json.loads(content)
    if message["dropped"]:
        LOGGER.warning("%d messages of DAG runs were dropped: the helper could not keep up", message["dropped"])
    for told in message.get("tasks", ()):
        task, reason = Task(**told), message["reason"]
        outcome = outcomes.lost(task, reason) if message["lost"] else outcomes.without_process(task, reason)
        ToldTask(task, started=message["started"], spanned=message["spanned"]).tell(outcome)
    RUNS.use(message.get("database", ""))
    if "dag_run" in message:
        _tell_run(DagRun(**message["dag_run"]), message["message"], message.get("begun"))


RUNS: Final = OpenRuns()


def _tell_run(told: DagRun, message: str, begun: int | None) -> None:
    """Report a run; `begun` is how many of its tasks a process has begun, None if that is not known."""
    if told.state == "running" or told.started_at is None:
        run = ToldRun(told)
        run.tell_start()
        if told.state == "running":
            RUNS.started(run, told)
    if told.state != "running":
        run = RUNS.ended(told)
        data = task_data.of_run(told, begun) if begun is not None and run.expected.asks_for_data else None
        run.tell_end(outcomes.of_dag_run(told.state, message), data)
        task_data.clean()


def main() -> None:
    """Serve the socket whose number is the only argument."""
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        serve(connection)
    # The helper of a process that lives for one message, as those that Airflow 2 parses DAGs in, ends with it.
    flush(PATIENCE)


if __name__ == "__main__":
    main()
