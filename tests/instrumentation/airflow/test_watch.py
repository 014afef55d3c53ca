"""The watch over the process of a task, whose report has time."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchtel.airflow import watch
from tests.support.polling import until
from tests.support.process import run, start
from tests.support.sink import Sink

KILLED = """
    import os, signal
    from batchtel.airflow.facts import Task
    from batchtel.airflow.watch import Watch

    task = Task(
        dag_id="nightly", run_id="r1", task_id="load", map_index=-1, try_number=1, state="running", series_start=1,
        retries=0, goes_on_again=False, operator="", queue="", pool="", run_type="scheduled", started_at=None,
        traceparent="",
    )
    assert Watch.over(task) is not None
    os.kill(os.getpid(), signal.SIGKILL)
    """


def test_the_loss_reaches_a_collector_that_is_away_for_a_moment(sink: Sink) -> None:
    """A killed process is reported as lost, though the collector accepts nothing for longer than a task would wait."""
    sink.mode = "unavailable"
    with start(KILLED, sink, BATCHTEL_EXIT_TIMEOUT="0.5") as process:
        process.wait(60)
    # Delays double from 0.1 s: the sixth request comes after 3 s, and no task would wait for that.
    sink.wait_refused("metrics", 6)
    sink.mode = "ok"

    def lost() -> bool | None:
        reported = [log.attributes for log in sink.events("batch.step.finished")]
        return any(fields["batch.status"] == "lost" for fields in reported) or None

    until("the completion of the lost task", lost, 60, lambda: str(sink.requests))


WATCHED = """
    import os, signal, subprocess, sys, time
    from batchtel.airflow import watch
    from batchtel.airflow.facts import Task
    from batchtel.airflow.watch import Watch

    ending, kernel = sys.argv[1:]
    if kernel == "old":
        watch.reads_exit_codes = lambda: False
    task = Task(
        dag_id="nightly", run_id=f"watched-{os.getpid()}", task_id="load", map_index=-1, try_number=1, state="running",
        series_start=1, retries=0, goes_on_again=False, operator="", queue="", pool="", run_type="scheduled",
        started_at=None, traceparent="",
    )
    print(task.run_id, flush=True)
    # As Airflow does it: a supervisor, and a process of the task below it.
    supervisor = os.getpid()
    if (child := os.fork()) == 0:
        assert Watch.over(task, supervisor) is not None
        exec(ending)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
    time.sleep(3)
    """

LEFT_TO_THE_SCHEDULER = {
    "os._exit(0)": "old new",
    "os.kill(supervisor, signal.SIGKILL); time.sleep(0.2); os._exit(1)": "old new",
    "os.kill(supervisor, signal.SIGKILL); time.sleep(0.2); os.kill(os.getpid(), signal.SIGKILL)": "old new",
    "os.kill(supervisor, signal.SIGKILL); os.kill(os.getpid(), signal.SIGKILL)": "old new",
    "os.execv('/bin/sh', ['sh', '-c', 'sleep 2'])": "new",
    "os.closerange(3, 200); time.sleep(2); os._exit(0)": "new",
}
LOST = {
    "os._exit(3)": "old new",
    "os.kill(os.getpid(), signal.SIGKILL)": "old new",
    "os.execv('/bin/sh', ['sh', '-c', 'sleep 2; exit 3'])": "old new",
    "if os.fork() == 0: os._exit(0)\nos.wait(); os._exit(3)": "old new",
}
CASES = [
    (ending, kernel, reports)
    for reports, endings in ((0, LEFT_TO_THE_SCHEDULER), (1, LOST))
    for ending, kernels in endings.items()
    for kernel in kernels.split()
]


def _is_watched(run_id: str) -> bool:
    """Return whether a process is there that watches, or reports, the end of a run."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                if run_id.encode() in (folder / "cmdline").read_bytes():
                    return True
            except OSError:
                continue
    return False


@pytest.mark.parametrize(("ending", "kernel", "reports"), CASES)
def test_an_end_is_reported_once(sink: Sink, ending: str, kernel: str, reports: int) -> None:
    """The watch reports the ends that Airflow's scheduler calls no hook for, and no other."""
    if kernel == "new" and not watch.reads_exit_codes():
        pytest.skip("this kernel does not report the exit codes of processes that are no children")
    finished = run(WATCHED, sink, ending, kernel)
    run_id = finished.stdout.split()[0]
    until("the end of the watch", lambda: None if _is_watched(run_id) else True, 60)
    assert [log.attributes["batch.status"] for log in sink.events("batch.step.finished")] == ["lost"] * reports
    assert sum(point.value for point in sink.points("batch.step.completions")) == reports
