"""One run in several processes owes its records once: what all of them report is judged by the one that opened it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchtel.base import lock
from batchtel.base.shared_counts import RecordCounts, Tally
from batchtel.runs.run import Run
from batchtel.runs.step import Step
from tests.instrumentation.sla.test_watched import WRAPPED, violations, write
from tests.support.process import succeed
from tests.support.sink import Sink

SLA = "[jobs.shared.sla]\nmin_records = 100\nmax_failure_rate = 0.1\nmax_data_age = '1d'\n"

PART = """
import sys, time, batchtel
processed, failed, age = map(float, sys.argv[1:])
with batchtel.job("shared") as job:
    job.records(processed=processed, failed=failed)
    job.watermark(time.time() - age)
"""


def tallies() -> set[str]:
    """Return the names of the tallies that this process has open."""
    names = set()
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            names.add(os.readlink(f"/proc/self/fd/{number}"))
    return {name for name in names if "memfd:batchtel" in name}


@pytest.fixture
def switching_often() -> Iterator[None]:
    """Lets threads switch after almost every instruction."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_processes_add_to_one_tally() -> None:
    """Records add up, the newest data counts; what a killed process has added stays."""
    tally = Tally.new()
    assert tally.total() == RecordCounts()
    assert len(tallies()) == 1
    for count in (1, 2):
        if (child := os.fork()) == 0:
            for _ in range(1000):
                tally.add(RecordCounts(processed=count))
            os.kill(os.getpid(), 9)
        os.waitpid(child, 0)
    imports = "import sys; from batchtel.base.shared_counts import Tally, RecordCounts"
    code = f"{imports}; Tally(sys.argv[1]).add(RecordCounts(None, 5, 1700000000.5))"
    subprocess.run([sys.executable, "-c", code, tally.place], check=True)
    tally.add(RecordCounts(0, 0, 1600000000.0))
    assert tally.total() == RecordCounts(3000, 5, 1700000000.5)
    tally.close()
    assert tally.total() == RecordCounts()
    assert tallies() == set()


def test_a_fork_has_a_record_of_its_own() -> None:
    """Also where its parent has added before, and where a thread of the parent was adding at that moment."""
    tally = Tally.new()
    tally.add(RecordCounts(processed=1))
    run = Run("forked")
    held, released = threading.Event(), threading.Event()

    def hold() -> None:
        with lock.shared():
            held.set()
            released.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    if (child := os.fork()) == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # pytest's own would go on with the tests, here too
        signal.alarm(10)
        tally.add(RecordCounts(processed=2))
        run.count(1, None)
        run.progress.reach(1)
        Step("part", run).count(read=1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    released.set()
    thread.join()
    tally.add(RecordCounts(processed=4))
    assert tally.total() == RecordCounts(processed=7)
    tally.close()


def test_threads_of_one_process_have_one_record(switching_often: None) -> None:
    """Whichever comes first."""
    tally = Tally.new()
    barrier = threading.Barrier(8)

    def add() -> None:
        barrier.wait(10)
        for _ in range(100):
            tally.add(RecordCounts(processed=1))

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tally.total() == RecordCounts(processed=800)
    tally.close()


@pytest.mark.parametrize("place", ["", "/proc/self/fd/0 batchtel-0", "/proc/0/fd/3 batchtel-0", "/etc/passwd passwd"])
def test_a_place_that_is_something_else_is_left_alone(place: str, caplog: pytest.LogCaptureFixture) -> None:
    """In another container, or after a program has closed all files, the number may be that of any file."""
    tally = Tally(place)
    tally.add(RecordCounts(processed=1))
    assert tally.total() == RecordCounts()
    tally.close()
    assert caplog.records == []


def test_a_file_that_took_its_place_is_left_alone(tmp_path: Path) -> None:
    """A program that closes all files, as daemons do, and opens its own, finds nothing of ours in them."""
    tally = Tally.new()
    tally.add(RecordCounts(processed=1))
    own = tmp_path / "own"
    for number in (int(tally.place.partition(" ")[0].rpartition("/")[2]), tally._descriptor):
        with own.open("wb") as file:
            os.dup2(file.fileno(), number)
    tally.add(RecordCounts(processed=1))
    assert tally.total() == RecordCounts()
    tally.close()
    assert own.read_bytes() == b""
    for number in (int(tally.place.partition(" ")[0].rpartition("/")[2]), tally._descriptor):
        os.close(number)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([(60, 0, 0), (40, 0, 172800)], {}),
        ([(60, 0, 0), (39, 0, 0)], {"insufficient_records": 1}),
        ([(100, 0, 172800), (10, 20, 172800)], {"failure_rate_exceeded": 1, "data_stale": 1}),
        ([], {}),
    ],
)
def test_a_command_owes_what_the_code_within_it_reports(
    sink: Sink, tmp_path: Path, parts: list[tuple[int, int, int]], expected: dict[str, int]
) -> None:
    """`batchtel run` of a script that starts jobs of the same name: together they are the run."""
    part = tmp_path / "part.py"
    part.write_text(PART)
    commands = [" ".join(map(str, (sys.executable, part, *numbers))) for numbers in parts]
    command = [sys.executable, "-c", WRAPPED, "run", "--job", "shared", "--", "sh", "-c", "; ".join(commands) or "true"]
    succeed(
        f"import subprocess; subprocess.run({command!r}, check=True)",
        sink,
        BATCHTEL_CATALOGUE=write(tmp_path, SLA),
    )
    assert violations(sink) == expected
    assert sink.total("batch.job.completions", job_name="shared") == 1
    [finished] = sink.events("batch.run.finished")
    assert list(finished.attributes.get("batch.sla.violations", [])) == list(expected)


@pytest.mark.parametrize(("each", "expected"), [(25, {}), (24, {"insufficient_records": 1})])
def test_workers_of_a_pool_count_for_the_run(sink: Sink, tmp_path: Path, each: int, expected: dict[str, int]) -> None:
    """Forked workers report the records of their parent's run; no file of it stays open there."""
    succeed(
        f"""
        import multiprocessing, os, batchtel
        def load(number):
            batchtel.current_job().records(processed={each})
        context = multiprocessing.get_context("fork")
        for _ in range(2):
            with batchtel.job("shared") as job:
                job.records(processed=0)
                with context.Pool(2) as pool:
                    pool.map(load, range(4), chunksize=1)
                    pool.close()
                    pool.join()
        open_still = []
        for number in os.listdir("/proc/self/fd"):
            try:
                open_still.append(os.readlink(f"/proc/self/fd/{{number}}"))
            except FileNotFoundError:  # that of the listing, or of a thread that sends
                pass
        assert not [name for name in open_still if "memfd:batchtel" in name], open_still
        """,
        sink,
        BATCHTEL_CATALOGUE=write(tmp_path, SLA),
        BATCHTEL_EXIT_TIMEOUT="20",
        OTEL_EXPORTER_OTLP_TIMEOUT="20",
    )
    assert violations(sink) == {kind: 2 * count for kind, count in expected.items()}
    assert sink.total("batch.job.records.processed", job_name="shared") == 8 * each


def test_memory_that_another_thread_gives_back_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number is the job's next file then: nothing is written to that one, and nothing is reported as a defect."""
    tally = Tally.new()
    number = int(tally.place.partition(" ")[0].rpartition("/")[2])
    tally.close()
    file = tmp_path / "of_the_job"
    file.write_text("untouched")
    monkeypatch.setattr(Tally, "is_there", True)  # as it was a moment before
    job = os.open(file, os.O_RDWR)
    if job != number:
        os.dup2(job, number)
        os.close(job)
    try:
        tally.announce("mark")
        tally.put_shared(b"shared")
        assert tally.shared(8) == b""
    finally:
        os.close(number)
    tally.announce("mark")
    assert file.read_text() == "untouched"
