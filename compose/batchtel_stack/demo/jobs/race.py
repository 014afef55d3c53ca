"""Many processes of one job, which all fail at the same moment: each inserts a row that already exists.

    python -m batchtel_stack.demo.jobs.race FOLDER

Creates a file in FOLDER when it is ready, waits for the file `go` there, which has the Unix time of the start, and
exits with 1.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Final

import batchtel
from batchtel_stack.demo import ledger

JOB: Final = "hub_import"
PROCESSES: Final = 10


def database(folder: Path) -> Path:
    """Return the path of the database."""
    return folder / "hubs.sqlite"


def prepare(folder: Path) -> None:
    """Create the database, with the row that every process will try to insert."""
    with closing(sqlite3.connect(database(folder))) as hubs, hubs:
        hubs.execute("create table hub (iata text primary key, city text)")
        hubs.execute("insert into hub values ('FRA', 'Frankfurt')")


def ready(folder: Path) -> int:
    """Return how many processes wait for the start."""
    return len(list(folder.glob("*.ready")))


def go(folder: Path, moment: float) -> None:
    """Let all processes start at a Unix time."""
    partial = folder / "go.partial"
    partial.write_text(str(moment))
    partial.rename(folder / "go")


def main(folder: Path) -> None:
    """Run the job once."""
    with batchtel.job(JOB, type="etl") as job, ledger.run(JOB, job.run_id, job.attempt) as page:
        _wait_for_start(folder)
        with batchtel.step("insert"), page.step("insert"), closing(sqlite3.connect(database(folder), 30)) as hubs, hubs:
            hubs.execute("insert into hub values ('FRA', 'Frankfurt')")


def _wait_for_start(folder: Path) -> None:
    (folder / f"{os.getpid()}.ready").touch()
    while not (folder / "go").exists():
        time.sleep(0.005)
    time.sleep(max(0.0, float((folder / "go").read_text()) - time.time()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
