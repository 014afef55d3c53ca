"""SIGTERM and the handlers of the job: what a job sees of its signals is what it would see without batchtel."""

from __future__ import annotations

import signal

import pytest

from tests.support.process import TIMEOUT, run, start
from tests.support.sink import Sink

CHAINS = {
    "getsignal": "before = signal.getsignal(signal.SIGTERM); signal.signal(signal.SIGTERM, handler)",
    "signal": "before = signal.signal(signal.SIGTERM, handler)",
    "bound before": "before = getsignal(signal.SIGTERM); bind(signal.SIGTERM, handler)",
    "at the signal": "before = None; look = True; signal.signal(signal.SIGTERM, handler)",
}


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.compatible(
    "Ends",
    "a SIGTERM handler that calls the one it found",
    "what the job ends with",
)
def test_a_handler_that_calls_the_one_it_found(sink: Sink, chain: str) -> None:
    """The job goes on to its checkpoint, its exit code is its own, and the run is a success."""
    script = """
        import signal, sys, time
        from signal import getsignal, signal as bind
        import batchtel
        look = stop = False

        def handler(number, frame):
            global stop
            found = before if not look else None
            if callable(found):
                found(number, frame)
            stop = True

        with batchtel.job("checkpointed"):
            exec(sys.argv[1])
            print(before, flush=True)
            while not stop:
                time.sleep(0.01)
            print("checkpoint written", flush=True)
        sys.exit(7)
        """
    with start(script, sink, CHAINS[chain]) as process:
        sink.wait_event("batch.run.started")
        assert process.stdout is not None
        found = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, output, errors) == (7, "checkpoint written\n", "")
    assert found in ("0\n", "Handlers.SIG_DFL\n", "None\n")
    assert sink.total("batch.job.completions", status="success") == 1


def test_a_handler_that_ends_the_process_where_it_found_none(sink: Sink) -> None:
    """A library that puts the default action back and raises the signal again ends the process, as ever."""
    finished = run(
        """
        import os, signal, time, batchtel

        def handler(number, frame):
            assert before == signal.SIG_DFL
            signal.signal(number, before)
            os.kill(os.getpid(), number)

        with batchtel.job("restored"):
            before = signal.signal(signal.SIGTERM, handler)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        """,
        sink,
    )
    assert (finished.code, finished.stdout, finished.stderr) == (-signal.SIGTERM, "", "")


def test_the_handler_of_the_job_stays_in_place(sink: Sink) -> None:
    """One that was there before a run, or came while it was open, is called during it and after it."""
    finished = run(
        """
        import os, signal, batchtel
        called = []
        first = lambda number, frame: called.append("first")
        second = lambda number, frame: called.append("second")
        signal.signal(signal.SIGTERM, first)
        with batchtel.job("handled"):
            assert signal.getsignal(signal.SIGTERM) is first
            os.kill(os.getpid(), signal.SIGTERM)
            signal.signal(signal.SIGTERM, second)
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        with batchtel.job("handled"):
            assert signal.getsignal(signal.SIGTERM) is second
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        print(called)
        """,
        sink,
    )
    assert (finished.code, finished.stderr) == (0, "")
    assert finished.stdout == "['first', 'second', 'second', 'second', 'second']\n"
    assert sink.total("batch.job.completions", status="success") == 2


def test_a_process_that_ends_itself_by_sigterm(sink: Sink) -> None:
    """The signal is what it dies by, not the end that it would come to a moment later."""
    finished = run(
        """
        import os, signal, batchtel
        with batchtel.job("suicidal") as job:
            job.records(processed=3)
            os.kill(os.getpid(), signal.SIGTERM)
        """,
        sink,
    )
    assert (finished.code, finished.stdout, finished.stderr) == (-signal.SIGTERM, "", "")
    assert sink.total("batch.job.completions", status="cancelled") == 1
    assert sink.total("batch.job.records.processed") == 3


def test_sigterm_between_two_counts_loses_none(sink: Sink) -> None:
    """A job that counts in a loop is nearly always within our code or the SDK's: all that it counted arrives."""
    script = """
        import batchtel
        with batchtel.job("counting") as job:
            while True:
                job.records(processed=1)
        """
    with start(script, sink) as process:
        sink.wait_event("batch.run.started")
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, output, errors) == (-signal.SIGTERM, "", "")
    counted = sink.event("batch.run.finished").attributes["batch.records.processed"]
    # One more may be under way.
    assert 0 <= sink.total("batch.job.records.processed", job_name="counting") - counted <= 1


@pytest.mark.compatible(
    "Ends",
    "SIGTERM while the main thread is in C code",
    "cancelled",
)
def test_sigterm_in_a_c_extension(sink: Sink) -> None:
    """The main thread need not come back to Python code."""
    script = """
        import hashlib, batchtel
        with batchtel.job("sunk"):
            hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
        """
    with start(script, sink) as process:
        sink.wait_event("batch.run.started")
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, output, errors) == (-signal.SIGTERM, "", "")
    assert sink.total("batch.job.completions", status="cancelled") == 1


@pytest.mark.parametrize("way", ["code", "instrumented"])
@pytest.mark.compatible(
    "Libraries",
    "trio, warnings as errors",
    "success",
)
def test_trio_finds_no_wakeup_fd(sink: Sink, way: str) -> None:
    """Trio warns where another library has set one; here warnings are errors."""
    finished = run(
        """
        import contextlib, signal, sys, warnings
        import batchtel, trio
        warnings.simplefilter("error")

        async def main():
            await trio.sleep(0.01)
            assert signal.set_wakeup_fd(-1) != -1, "trio's own"

        if sys.argv[1] == "instrumented":
            from batchtel.auto.instrumentor import BatchtelInstrumentor
            BatchtelInstrumentor().instrument(skip_dep_check=True)
        with batchtel.job("structured") if sys.argv[1] == "code" else contextlib.nullcontext():
            assert signal.set_wakeup_fd(-1) == -1
            trio.run(main)
        print("ended")
        """,
        sink,
        way,
    )
    assert (finished.code, finished.stdout, finished.stderr) == (0, "ended\n", "")
    assert sink.total("batch.job.completions", status="success") == 1


@pytest.mark.parametrize("timeout", [0.1, 20])
def test_a_default_timeout_of_sockets(sink: Sink, timeout: float) -> None:
    """It is neither waited for in a forked worker, nor does it end the watch for the signal."""
    finished = run(
        """
        import os, signal, socket, sys, time, batchtel

        socket.setdefaulttimeout(float(sys.argv[1]))
        with batchtel.job("impatient") as job:
            for _ in range(3):
                if (child := os.fork()) == 0:
                    with batchtel.step("part"):
                        pass
                    os._exit(0)
                assert os.waitpid(child, 0)[1] == 0
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(20)
        """,
        sink,
        str(timeout),
    )
    assert (finished.code, finished.stdout, finished.stderr) == (-signal.SIGTERM, "", "")
    assert finished.seconds < 15
    assert sink.total("batch.job.completions", status="cancelled") == 1
