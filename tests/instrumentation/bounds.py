"""Jobs beside a collector that does not answer: how long each waits in vain, in all its processes.

`python -m tests.instrumentation.bounds` prints the table of docs/delivery.md.
"""

from __future__ import annotations

import re
import socket
import sys
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

from tests.support.process import Finished, run


class Case(NamedTuple):
    """One job: what it is in a sentence, what it runs, and the seconds that all its processes wait at most.

    `is_second` is for one that begins right after another one has waited in vain.
    """

    name: str
    script: str
    bound: float = 2.0
    has_spool: bool = False
    is_second: bool = False


class Waits(NamedTuple):
    """Seconds in which at least one process of a job waits: `allowed` by its deadlines, and `measured` by a clock."""

    allowed: float
    measured: float


_HEAD: Final = """
import logging, multiprocessing, os, signal, subprocess, sys, time, batchtel
from batchtel.export import outboxes
flush = outboxes.Outboxes.flush

def timed(self, timeout):
    begun = time.monotonic()
    delivered = flush(self, timeout)
    with open(os.environ["WAITED"], "a") as file:
        file.write(f"{begun} {0.0 if delivered else timeout} {time.monotonic() - begun}\\n")
    return delivered

outboxes.Outboxes.flush = timed
logging.basicConfig(handlers=[logging.NullHandler()])

def work(row=0):
    batchtel.current_job().records(processed=1)
    logging.getLogger("worker").warning("row")

if sys.argv[1:]:
    work()
    sys.exit(0)
"""

_ONE_AFTER_THE_OTHER: Final = """
if __name__ == "__main__":
    with batchtel.job("workers"):
        for row in range({count}):
            process = multiprocessing.get_context("{method}").Process(target=work)
            process.start()
            process.join()
"""

_POOL: Final = """
if __name__ == "__main__":
    with batchtel.job("pool"), multiprocessing.get_context("{method}").Pool({count}) as pool:
        pool.map(work, range(10 * {count}))
        pool.close()
        pool.join()
"""

_ALONE: Final = "with batchtel.job('alone'):\n    work()"

CASES: Final = (
    Case("one process", _ALONE),
    Case("one process, and a spool", _ALONE, 3.0, True),
    Case("one process, less than 30 s after another one has waited in vain", _ALONE, 0.5, is_second=True),
    Case(
        "one process, ended by SIGTERM", "with batchtel.job('alone'):\n    work(); os.kill(os.getpid(), signal.SIGTERM)"
    ),
    Case("one process that calls `flush()` ten times", f"{_ALONE}\n    for _ in range(10): work(); batchtel.flush()"),
    Case("one process that opens ten runs", "for _ in range(10):\n    with batchtel.job('alone'): work()"),
    Case("30 forked workers, one after the other", _ONE_AFTER_THE_OTHER.format(count=30, method="fork")),
    Case(
        "30 forked workers, one after the other, and a spool",
        _ONE_AFTER_THE_OTHER.format(count=30, method="fork"),
        3.0,
        True,
    ),
    Case("4 workers by spawn, one after the other", _ONE_AFTER_THE_OTHER.format(count=4, method="spawn")),
    Case("4 workers by forkserver, one after the other", _ONE_AFTER_THE_OTHER.format(count=4, method="forkserver")),
    Case("a pool of 8 forked workers", _POOL.format(count=8, method="fork")),
    Case("a pool of 4 workers by forkserver", _POOL.format(count=4, method="forkserver")),
    Case(
        "30 forked children with a run of their own each",
        "with batchtel.job('outer'):\n    for _ in range(30):\n        if (child := os.fork()) == 0:\n"
        "            with batchtel.job('own'): work()\n            sys.exit(0)\n        os.waitpid(child, 0)",
    ),
    Case(
        "4 child programs, one after the other",
        "with batchtel.job('programs'):\n    for _ in range(4): subprocess.run([sys.executable, __file__, 'child'])",
    ),
)


def measure(case: Case, hanging: str) -> Waits:
    """Return how long the job of `case` waits for the collector at `hanging`, which never answers."""
    with tempfile.TemporaryDirectory() as folder:
        waited = Path(folder, "waited")
        waited.touch()
        if case.is_second:
            _run(case, hanging, Path(folder))
            waited.write_text("")
        finished = _run(case, hanging, Path(folder))
        if finished.code not in (0, -15):
            raise RuntimeError(f"{case.name} exits with {finished.code}: {finished.stderr}")
        lines = [tuple(map(float, re.split(" ", line))) for line in waited.read_text().splitlines()]
    allowed, measured = (_together([(line[0], line[column]) for line in lines]) for column in (1, 2))
    return Waits(allowed, measured)


def _run(case: Case, hanging: str, folder: Path) -> Finished:
    return run(
        _HEAD + case.script,
        None,
        OTEL_EXPORTER_OTLP_ENDPOINT=hanging,
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
        PYTHONWARNINGS="ignore",
        TMPDIR=str(folder),
        WAITED=str(folder / "waited"),
        **({"BATCHTEL_SPOOL_DIR": str(folder / "spool")} if case.has_spool else {}),
    )


def imports() -> float:
    """Return the seconds of CPU that the import of a client and of the encoder needs."""
    script = "import time, batchtel.base.native\nbegan = time.process_time()\n"
    script += "import batchtel.export.http_client, batchtel.export.encoder\n"
    return float(run(script + "print(time.process_time() - began)").stdout)


def _together(waits: list[tuple[float, float]]) -> float:
    """Return the length of the union of `waits`, each a start and a length: processes wait at the same time."""
    total, until = 0.0, 0.0
    for begun, seconds in sorted(waits):
        total += max(0.0, begun + seconds - max(begun, until))
        until = max(until, begun + seconds)
    return total


def main() -> None:
    """Print the table."""
    sys.stdout.write("| a job of ... | waits at most | measured |\n| --- | --- | --- |\n")
    for case in CASES:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            waits = measure(case, f"http://127.0.0.1:{listener.getsockname()[1]}")
        sys.stdout.write(f"| {case.name} | {case.bound:g} s | {waits.measured:.1f} s |\n")
        sys.stdout.flush()
    sys.stdout.write(f"\nImporting the client and the encoder needs {imports():.1f} s of CPU.\n")


if __name__ == "__main__":
    main()
