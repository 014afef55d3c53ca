"""The watch over a task's process, whose teller has time."""

from __future__ import annotations

import time

from tests.instrumentation.process import start
from tests.instrumentation.sink import Sink
from tests.pipeline.polling import until

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


def test_the_loss_is_told_to_a_collector_that_is_away_for_a_moment(sink: Sink) -> None:
    """A killed process is told as lost, though the collector takes nothing for longer than a task would wait."""
    sink.mode = "unavailable"
    with start(KILLED, sink, BATCHTEL_EXIT_TIMEOUT="0.5") as process:
        process.wait(60)

    def asked() -> bool | None:
        return bool(sink.refused) or None

    until("a first request", asked, 60, lambda: str(sink.refused))
    time.sleep(3)  # The length of the outage: no task would wait for its end.
    sink.mode = "ok"

    def told() -> bool | None:
        told = [log.attributes for log in sink.events("batch.step.finished")]
        return any(fields["batch.status"] == "lost" for fields in told) or None

    until("the completion of the lost task", told, 60, lambda: str(sink.requests))
