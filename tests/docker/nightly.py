"""A job for containers: `nightly.py JOB RUNS` runs a job again and again, and writes what it did into the ledger."""

from __future__ import annotations

import sys
import time

import batchtel
from batchtel_stack.demo import ledger


def main(job: str, runs: int) -> None:
    """Run the job: each third run fails, each run has a step."""
    for number in range(runs):
        try:
            with batchtel.job(job, type="etl") as run, ledger.run(job, run.run_id, run.attempt) as page:
                with batchtel.step("load") as step, page.step("load") as ours:
                    ours.count(read=10, written=10 - number % 3)
                    step.records(read=10, written=10 - number % 3)
                page.count(processed=number, failed=number % 2)
                run.records(processed=number, failed=number % 2)
                if number % 3 == 2:
                    raise ValueError(f"row {number}")
        except ValueError:
            time.sleep(0.05)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
