"""A job whose workers are started by KIND, within each of two runs or BEFORE both: `pools.py KIND within|before`."""

from __future__ import annotations

import concurrent.futures
import logging
import multiprocessing
import os
import sys
from collections.abc import Callable
from typing import Any

import batchtel

KIND, WHEN = sys.argv[1:3] if len(sys.argv) > 2 else ("", "")
ROWS = 6


def work(row: int) -> int:
    """Count one record, two in a step, and log."""
    batchtel.current_job().records(processed=1)
    log = logging.getLogger("worker")
    log.setLevel(logging.INFO)  # loky imports no main module
    log.info("row %d", row)
    with batchtel.step("part") as step:
        step.records(read=2)
    return row


def work_hard(row: int) -> None:
    """The same, and leave without exit handlers."""
    work(row)
    batchtel.flush()
    os._exit(0)


def work_below(rows: range) -> list[int]:
    """Let a worker of this worker work."""
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(work, rows))


def workers(kind: str, method: str) -> tuple[Callable[[], object], Callable[[], object]]:
    """Start workers; return what lets them work on all rows, and what ends them."""
    context: Any = multiprocessing.get_context(method if kind != "loky" else None)
    if kind == "loky":
        from joblib import Parallel, delayed

        return lambda: Parallel(n_jobs=2)(delayed(work)(row) for row in range(ROWS)), lambda: None
    if kind in ("Pool", "terminated"):
        pool = context.Pool(2)
        ways = {"Pool": lambda: (pool.close(), pool.join()), "terminated": lambda: (pool.terminate(), pool.join())}
        return lambda: pool.map(work, range(ROWS), chunksize=1), ways[kind]
    if kind in ("executor", "nested"):
        executor = concurrent.futures.ProcessPoolExecutor(2, mp_context=context)
        if kind == "executor":
            return lambda: list(executor.map(work, range(ROWS))), executor.shutdown
        return lambda: list(executor.map(work_below, [range(ROWS)])), executor.shutdown

    def each_in_a_process() -> None:
        processes = [context.Process(target=work_hard, args=(row,)) for row in range(ROWS)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()

    return each_in_a_process, lambda: None


def main() -> None:
    """Open two runs, one after the other, and let workers work for each."""
    kind, _, method = KIND.partition("-")
    before = workers(kind, method) if WHEN == "before" else None
    for _ in range(2):
        with batchtel.job("pooled"):
            use, end = before or workers(kind, method)
            use()
            if before is None:
                end()
    if before is not None:
        before[1]()


if "pytest" not in sys.modules:
    logging.basicConfig(level=logging.INFO, handlers=[logging.NullHandler()])  # in each worker, too

if __name__ == "__main__":
    main()
