"""A job that exits with 0 and has done nothing: green in every scheduler, with 0 records.

python -m batchtel_stack.demo.jobs.idle DATABASE
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Final

import batchtel
from batchtel_stack.demo import ledger

JOB: Final = "invoice_run"


def main(database: Path) -> None:
    """Bill every open order; there are none."""
    with batchtel.job(JOB, type="report") as job, ledger.run(JOB, job.run_id, job.attempt) as page:
        with batchtel.step("bill") as step, page.step("bill") as ours, closing(sqlite3.connect(database)) as orders:
            orders.execute("create table if not exists open_order (number integer)")
            found = orders.execute("select number from open_order").fetchall()
            ours.count(read=len(found), written=len(found))
            step.records(read=len(found), written=len(found))
        page.count(processed=len(found))
        job.records(processed=len(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
