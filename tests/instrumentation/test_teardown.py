"""Runs that are open, or begin, while the interpreter ends: recorded where anything can be, and silent where not."""

from __future__ import annotations

import pytest

from tests.support.process import run
from tests.support.sink import Sink

WORK = """
        import atexit, sys, threading, time, weakref, batchtel
        from concurrent.futures import ThreadPoolExecutor
        def work():
            with batchtel.job("late") as job:
                job.records(processed=1)
            print("worked", flush=True)
        """

RECORDED = {
    "atexit": "atexit.register(work)",
    "weakref.finalize": "class Kept: pass\n        kept = Kept(); weakref.finalize(kept, work)",
    "a thread": "threading.Thread(target=lambda: (time.sleep(0.5), work())).start()",
    "a pool": "ThreadPoolExecutor(1).submit(lambda: (time.sleep(0.5), work()))",
}

TOO_LATE = {
    "the first run": "",
    "another run": "work()",
}


@pytest.mark.parametrize("moment", RECORDED)
def test_the_first_run_after_the_main_thread_has_ended(sink: Sink, moment: str) -> None:
    """A run that begins in an exit handler, or in a thread that outlives the main one, is recorded."""
    finished = run(f"{WORK}{RECORDED[moment]}", sink)
    assert (finished.code, finished.stdout, finished.stderr) == (0, "worked\n", "")
    assert sink.total("batch.job.completions", status="success") == 1
    assert sink.total("batch.job.records.processed") == 1


@pytest.mark.parametrize("which", TOO_LATE)
def test_a_run_while_the_interpreter_is_torn_down(sink: Sink, which: str) -> None:
    """A run within `__del__` at the very end does its work without a line on stderr, and without a wait."""
    script = f"""{WORK}
        class Deleted:
            def __del__(self):
                work()
        {TOO_LATE[which]}
        deleted = Deleted()
        """
    finished = run(script, sink)
    assert (finished.code, finished.stderr) == (0, "")
    assert finished.stdout.splitlines()[-1] == "worked"


@pytest.mark.parametrize("kind", ["job", "step", "plain", "cycle"])
def test_a_generator_that_is_left_open(sink: Sink, kind: str) -> None:
    """The run or step of a generator that the end of the process finds open is cancelled, at once and silently."""
    finished = run(
        """
        import functools, sys, batchtel
        def numbers():
            yield 1
            yield 2
        class Reader:
            pass
        reader = Reader()
        if sys.argv[1] == "step":
            with batchtel.job("around"):
                rows = batchtel.step("rows")(numbers)()
                print(next(rows))
        else:
            function = functools.partial(numbers) if sys.argv[1] == "plain" else numbers
            if sys.argv[1] == "cycle":
                reader.me, reader.rows = reader, batchtel.job("rows")(function)()
                print(next(reader.rows))
            else:
                outer = (lambda: function()) if sys.argv[1] == "plain" else function
                rows = batchtel.job("rows")(outer)()
                print(next(rows))
        """,
        sink,
        kind,
    )
    assert (finished.code, finished.stdout, finished.stderr) == (0, "1\n", "")
    level = "step" if kind == "step" else "job"
    assert sink.total(f"batch.{level}.completions", status="cancelled") == 1
