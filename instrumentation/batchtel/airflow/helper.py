"""The helper process of a scheduler: it reads messages of the hooks from a socket and reports DAG runs."""

from __future__ import annotations

import json
import os
import socket
import sys
from typing import Any, Final

from batchtel.airflow import outcomes, reported_task, task_data
from batchtel.airflow.dag_run import ReportedRun
from batchtel.airflow.facts import DagRun, Task
from batchtel.airflow.messenger import INLINE
from batchtel.airflow.open_runs import OpenRuns
from batchtel.airflow.reported_task import FLUSH_TIMEOUT
from batchtel.base.guard import LOGGER, harmless
from batchtel.telemetry.process import flush, telemetry


def serve(connection: socket.socket) -> None:
    """Report what each message of `connection`, or the file that comes with it, holds, until its other end closes."""
    while True:
        content, files, *_ = socket.recv_fds(connection, INLINE, 1)
        if not content:
            return
        _report(_whole(files[0]) if files else content)
        process = telemetry()
        if process is not None:
            process.send_soon()


def _whole(file: int) -> bytes:
    os.lseek(file, 0, os.SEEK_SET)  # the sender has left it at its end
    with open(file, "rb") as content:
        return content.read()


@harmless(None)
def _report(content: bytes) -> None:
    message: dict[str, Any] = json.loads(content)
    if message["dropped"]:
        LOGGER.warning("%d messages of DAG runs were dropped: the helper could not keep up", message["dropped"])
    for fields in message.get("tasks", ()):
        task, reason = Task(**fields), message["reason"]
        outcome = outcomes.lost(task, reason) if message["lost"] else outcomes.without_process(task, reason)
        reported_task.report(task, outcome, started=message["started"], spanned=message["spanned"])
    RUNS.use(message.get("database", ""))
    if "dag_run" in message:
        _report_run(DagRun(**message["dag_run"]), message["message"], message.get("begun"))


RUNS: Final = OpenRuns()


def _report_run(dag_run: DagRun, message: str, begun: int | None) -> None:
    """Report a run; `begun` is how many of its tasks a process has begun, None if that is unknown."""
    if dag_run.state == "running" or dag_run.started_at is None:
        run = ReportedRun(dag_run)
        run.report_start()
        if dag_run.state == "running":
            RUNS.started(run, dag_run)
    if dag_run.state != "running":
        run = RUNS.ended(dag_run)
        data = task_data.of_run(dag_run, begun) if begun is not None and run.job.sla.asks_for_data else None
        run.report_end(outcomes.of_dag_run(dag_run.state, message), data)
        task_data.clean()


def main() -> None:
    """Serve the socket whose number is the only argument."""
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        serve(connection)
    # The helper of a process that sends one message, as those that Airflow 2 parses DAGs in, ends with it.
    flush(FLUSH_TIMEOUT)


if __name__ == "__main__":
    main()
