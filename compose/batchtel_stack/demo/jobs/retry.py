"""A job that fails until its input exists; a scheduler runs it again with the same run id and a higher attempt.

BATCHTEL_RUN_ID=... BATCHTEL_ATTEMPT=2 python -m batchtel_stack.demo.jobs.retry INPUT
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import batchtel
from batchtel_stack.demo import ledger

JOB: Final = "price_update"


def main(source: Path) -> None:
    """Run one attempt."""
    with batchtel.job(JOB) as job, ledger.run(JOB, job.run_id, job.attempt) as page:
        with batchtel.step("read_prices") as step, page.step("read_prices") as ours:
            prices = source.read_text().splitlines()
            ours.count(read=len(prices))
            step.records(read=len(prices))
        page.count(processed=len(prices))
        job.records(processed=len(prices))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
