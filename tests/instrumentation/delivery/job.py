"""A job of one cell of the table: `job.py LEDGER START EXIT`; what it counts it writes to the ledger first."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor

import batchtel

LEDGER, START, EXIT = sys.argv[1:4]


def count(name: str, amount: int, run: batchtel.JobRun) -> None:
    """Write to the ledger, then count."""
    with open(LEDGER, "a", encoding="utf-8") as file:
        file.write(f"{name} {amount}\n")
    run.records(processed=amount)


def work(name: str = f"{START}.{EXIT}") -> None:
    """One run, left in the way of the cell."""
    with batchtel.job(name) as run:
        count(name, 100, run)
        leave()
    if EXIT == "_exit":
        batchtel.flush()
    if EXIT.startswith("_exit"):
        os._exit(0)


def leave() -> None:
    """Leave the run as the cell describes."""
    if EXIT == "exception":
        raise ValueError("left")
    if EXIT == "sys.exit":
        sys.exit(0)
    if EXIT in ("SIGTERM", "SIGINT", "SIGKILL"):
        os.kill(os.getpid(), signal.Signals[EXIT])
        time.sleep(30)


def work_in_a_step(name: str) -> None:
    """One step of the run that the parent has opened."""
    with batchtel.step("part"):
        count(name, 100, batchtel.current_job())


def in_parent() -> None:
    """Count 10 in the parent, so that a child inherits what is not sent yet."""
    name = f"{START}.{EXIT}"
    with batchtel.job(name) as run:
        count(name, 10, run)


def forked(child: object = work) -> int:
    """Fork; the child works and leaves, the parent gets its process id."""
    process = os.fork()
    if process == 0:
        child()  # type: ignore[operator]
        sys.exit(0)
    return process


def serve(ready: int) -> None:
    """Work on three jobs one after the other, as a Celery child does, and wait to be killed."""
    for _ in range(3):
        work()
    os.write(ready, b"r")
    signal.pause()


def prefork() -> None:
    """Two children that outlive their jobs and are ended by SIGTERM."""
    in_parent()
    read, write = os.pipe()
    children = [forked(lambda: serve(write)) for _ in range(2)]
    for _ in children:
        os.read(read, 1)
    for child in children:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)


def main() -> None:
    """Start the work by the method of the cell."""
    if START == "main":
        work()
    elif START == "fork":
        os.waitpid(forked(), 0)
    elif START == "fork after use":
        in_parent()
        os.waitpid(forked(), 0)
    elif START == "fork inside":
        with batchtel.job(f"{START}.{EXIT}", run_id="outer") as run:
            count(f"{START}.{EXIT}", 10, run)
            os.waitpid(forked(), 0)
    elif START == "prefork":
        prefork()
    elif START == "Pool":
        in_parent()
        with multiprocessing.get_context("fork").Pool(2) as pool:
            pool.map(work, [f"{START}.{EXIT}"] * 4)
    elif START == "Pool inside":
        with batchtel.job(f"{START}.{EXIT}") as run, multiprocessing.get_context("fork").Pool(2) as pool:
            count(f"{START}.{EXIT}", 10, run)
            pool.map(work_in_a_step, [f"{START}.{EXIT}"] * 4)
    elif START == "Process inside":
        with batchtel.job(f"{START}.{EXIT}") as run:
            count(f"{START}.{EXIT}", 10, run)
            process = multiprocessing.get_context("fork").Process(target=work_in_a_step, args=(f"{START}.{EXIT}",))
            process.start()
            process.join()
    elif START.startswith("thread"):
        if START == "thread":
            in_parent()
        # The main thread ends first: the interpreter waits for this one, and calls the exit handlers after it.
        threading.Timer(0.3, work).start()
    elif START == "executor":
        in_parent()
        with ProcessPoolExecutor(2, multiprocessing.get_context("forkserver")) as executor:
            list(executor.map(work, [f"{START}.{EXIT}"] * 4))
    else:
        in_parent()
        process = multiprocessing.get_context(START).Process(target=work)  # type: ignore[attr-defined]
        process.start()
        process.join()


if __name__ == "__main__":
    main()
