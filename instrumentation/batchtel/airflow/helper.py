"""The helper process of a scheduler: reads messages of the hooks from a socket and tells of DAG runs, until its end."""

from __future__ import annotations

import json
import os
import socket
import sys
from typing import Any

from batchtel.airflow import outcomes
from batchtel.airflow.dag_run import ToldRun
from batchtel.airflow.facts import DagRun, Task
from batchtel.airflow.messenger import INLINE
from batchtel.airflow.told_task import PATIENCE, ToldTask
from batchtel.guard import LOGGER, harmless
from batchtel.process import flush, telemetry


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
    if "dag_run" in message:
        _tell_run(DagRun(**message["dag_run"]), message["message"])


def _tell_run(told: DagRun, message: str) -> None:
    if told.state == "running" or told.started_at is None:
        ToldRun(told).tell_start()
    if told.state != "running":
        ToldRun(told).tell_end(outcomes.of_dag_run(told.state, message))


def main() -> None:
    """Serve the socket whose number is the only argument."""
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        serve(connection)
    # The helper of a process that lives for one message, as those that Airflow 2 parses DAGs in, ends with it.
    flush(PATIENCE)


if __name__ == "__main__":
    main()
