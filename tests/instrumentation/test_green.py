"""gevent and eventlet turn threads into coroutines of the main thread: the job ends, and its telemetry arrives."""

from __future__ import annotations

import signal

import pytest

from tests.support.process import run
from tests.support.sink import Sink

LIBRARIES = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
}

MOMENTS = {
    "first": "exec(patch); import batchtel; from batchtel import job",
    "after the import": "import batchtel; from batchtel import job; exec(patch)",
    "after a run": """
import time, batchtel
with batchtel.job("early"):
    pass
assert batchtel.flush(20)
exec(patch)
""",
}

JOB = """
import faulthandler, os, signal, sys
faulthandler.dump_traceback_later(50, exit=True)
patch = sys.argv[1]
exec(sys.argv[2])
import logging, threading, time

def work():
    with batchtel.step("part") as step:
        for row in range(20):
            step.records(read=1)
            logging.getLogger("load").warning("row %d", row)
            time.sleep(0.001)

logging.basicConfig(stream=open(os.devnull, "w"))
with batchtel.job("green") as job:
    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        job.records(processed=1)
        job.records(failed=1)
    print("flushed", batchtel.flush(20), job._recorded.data.processed)
    if sys.argv[3:]:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
print("ended")
"""


def _run(sink: Sink, library: str, moment: str, *more: str) -> tuple[int, list[str]]:
    """Run the job; it collects its metrics as often as it can, in a thread, while the job counts."""
    finished = run(
        JOB,
        sink,
        LIBRARIES[library],
        MOMENTS[moment],
        *more,
        OTEL_METRIC_EXPORT_INTERVAL="5",
        PYTHONWARNINGS="ignore",
        EVENTLET_NO_GREENDNS="yes",
    )
    # eventlet prints that the locks of other modules were made before.
    lines = [line for line in finished.stderr.splitlines() if "not greened" not in line]
    assert lines == []
    return finished.code, finished.stdout.splitlines()


@pytest.mark.parametrize(
    ("library", "moment"),
    # Not eventlet after a run: it removes `select.poll`, which a urllib3 that has been used goes on calling.
    [
        (library, moment)
        for library in LIBRARIES
        for moment in MOMENTS
        if (library, moment) != ("eventlet", "after a run")
    ],
)
@pytest.mark.compatible(
    "Libraries",
    "gevent and eventlet, patched before, after the import or after a run",
    "all spans, log records and counts",
)
def test_a_green_job_ends_with_its_telemetry(sink: Sink, library: str, moment: str) -> None:
    """Whenever the library patches, the job ends by itself, and every count, span and log record arrives."""
    code, lines = _run(sink, library, moment)
    assert code == 0
    (_, flushed, processed), ended = lines[0].split(), lines[1]
    assert (flushed, ended) == ("True", "ended")
    assert sink.total("batch.job.records.processed", job_name="green") == int(processed)
    assert sink.total("batch.job.records.failed", job_name="green") == int(processed)
    assert sink.total("batch.step.records.read", job_name="green") == 100
    assert sink.total("batch.job.completions", job_name="green", status="success") == 1
    assert len([log for log in sink.logs() if log.body.startswith("row")]) == 100
    assert sink.span("batch_job.green").attributes["batch.records.processed"] == int(processed)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.compatible(
    "Libraries",
    "gevent and eventlet, ended by SIGTERM",
    "cancelled",
)
def test_sigterm_ends_a_green_job(sink: Sink, library: str) -> None:
    """It ends by the signal, and the run is cancelled."""
    code, _ = _run(sink, library, "first", "SIGTERM")
    assert code == -signal.SIGTERM
    assert sink.total("batch.job.completions", job_name="green", status="cancelled") == 1


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_flush_lets_the_other_coroutines_work(sink: Sink, library: str) -> None:
    """While one coroutine waits for a collector that hangs, the others go on."""
    sink.mode = "hang"
    finished = run(
        """
        import sys
        exec(sys.argv[1])
        import threading, time, batchtel

        turns = 0
        def work():
            global turns
            while True:
                turns += 1
                time.sleep(0.001)

        threading.Thread(target=work, daemon=True).start()
        with batchtel.job("waiting"):
            before = turns
            batchtel.flush(1)
            print(turns - before > 20)
        """,
        sink,
        LIBRARIES[library],
        PYTHONWARNINGS="ignore",
        EVENTLET_NO_GREENDNS="yes",
    )
    assert (finished.code, finished.stdout) == (0, "True\n")
