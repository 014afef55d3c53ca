"""Two open runs in one process: a program belongs to the run that has started it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.instrumentation.ways_in.command import PROGRAMS, instrumented
from tests.support.process import succeed
from tests.support.sink import Sink

STARTS = {
    "subprocess": "subprocess.run(sys.argv[1:], check=True)",
    "with an environment": "subprocess.run(sys.argv[1:], env={**os.environ, 'ADDED': '1'}, check=True)",
    "posix_spawn": "os.waitpid(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)",
    "system": "os.system(shlex.join(sys.argv[1:]))",
    "popen": "os.popen(shlex.join(sys.argv[1:])).read()",
    "spawnv": "os.spawnv(os.P_WAIT, sys.argv[1], sys.argv[1:])",
    "fork": "os.fork() or os.execv(sys.argv[1], sys.argv[1:]); os.wait()",
}

THREADS = """
    import os, shlex, subprocess, sys, threading, warnings, batchtel
    warnings.simplefilter("ignore")  # of a fork while threads run
    both = threading.Barrier(2)

    def work(name):
        with batchtel.job(name):
            both.wait()
            {start}
            both.wait()

    threads = [threading.Thread(target=work, args=(name,)) for name in ("first", "second")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    """

PROGRAM = (
    "import logging; logging.root.handlers = [logging.NullHandler()]; logging.getLogger('inner').warning('logged')"
)


def program(folder: Path) -> list[str]:
    """Return an instrumented program that logs one line."""
    file = folder / "program.py"
    file.write_text(PROGRAM)
    return instrumented(str(file))


def logged(sink: Sink) -> list[str]:
    """Return the jobs that the programs belonged to; fails where a record is not in the trace of its run."""
    records = [log for log in sink.logs() if log.scope == "inner"]
    for record in records:
        assert record.trace_id == sink.span(f"batch_job.{record.attributes['batch.job.name']}").trace_id
    return sorted(str(record.attributes["batch.job.name"]) for record in records)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.compatible(
    "Processes",
    "child programs of two runs in one process",
    "each belongs to the run that has started it",
)
def test_programs_of_two_threads(sink: Sink, tmp_path: Path, start: str) -> None:
    """Whichever way a thread starts a program, it is part of the run of that thread."""
    succeed(THREADS.format(start=STARTS[start]), sink, *program(tmp_path), BATCHTEL_EXIT_TIMEOUT="10")
    assert logged(sink) == ["first", "second"]
    ended = sorted(str(log.attributes["batch.job.name"]) for log in sink.events("batch.run.finished"))
    assert ended == ["first", "second"]


def test_a_run_in_a_run_and_tasks(sink: Sink, tmp_path: Path) -> None:
    """The same for a run within another one, for asyncio's tasks, for `batchtel run` and when the first has ended."""
    succeed(
        """
        import asyncio, os, subprocess, sys, batchtel
        quiet = {"stderr": subprocess.DEVNULL}

        async def task(name, opened, program):
            with batchtel.job(name):
                opened.release()
                await (await asyncio.create_subprocess_exec(*program, **quiet)).wait()

        async def main():
            opened = asyncio.Semaphore(0)
            await asyncio.gather(*(task(name, opened, sys.argv[1:]) for name in ("task-1", "task-2")))

        asyncio.run(main())
        with batchtel.job("outer"):
            with batchtel.job("inner"):
                subprocess.run(sys.argv[1:], **quiet)
                subprocess.run([os.environ["BATCHTEL"], "run", "--", "true"])
                subprocess.run(sys.argv[1:], env={**os.environ, "BATCHTEL_JOB": "named"}, **quiet)
                subprocess.run(sys.argv[1:], env={"PATH": os.environ["PATH"]}, **quiet)
            subprocess.run(sys.argv[1:], **quiet)
        first, second = batchtel.job("one"), batchtel.job("two")
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        subprocess.run(sys.argv[1:], **quiet)
        second.__exit__(None, None, None)
        assert not [name for name in os.environ if name.startswith("BATCHTEL_OPEN")]
        """,
        sink,
        *program(tmp_path),
        BATCHTEL=str(PROGRAMS / "batchtel"),
        BATCHTEL_EXIT_TIMEOUT="10",
    )
    assert logged(sink) == ["inner", "named", "outer", "task-1", "task-2", "two"]
    named = sink.span("batch_job.named")
    assert named.parent_id == sink.span("batch_job.inner").span_id
    ended = sorted(str(log.attributes["batch.job.name"]) for log in sink.events("batch.run.finished"))
    assert ended == sorted(["task-1", "task-2", "outer", "inner", "named", "one", "two"])
