"""A busy job: reads, checks and sums BATCHES files of 5,000 orders, each with one log record.

Files of ten are a step; one order in 5,000 is bad and logged with its id. VARIANT is how it uses batchtel:
`whole`; `bare`, without heartbeat and redaction; `timed`, whole, and writing to the file SPENT what CPU seconds
each of the two has used, on the clocks of the threads that they ran in.
"""

import csv
import io
import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any

import batchtel
from batchtel.redact.patterns import Redaction
from batchtel.runs.scope import Scope

BATCHES, ROWS, FILES_OF_A_STEP = int(os.environ["BATCHES"]), 5_000, 10
LOGGER = logging.getLogger("orders")


def file_of(number: int) -> str:
    """Return a CSV file as a shop would export it."""
    rows = io.StringIO()
    writer = csv.writer(rows)
    for row in range(ROWS):
        order = number * ROWS + row
        amount = "?" if row == 17 else f"{order % 997}.{order % 100:02}"
        writer.writerow((f"A{order}", f"2026-03-{order % 28 + 1:02}", amount, f"customer-{order % 4711}@shop.example"))
    return rows.getvalue()


def load(database: sqlite3.Connection, number: int, step: batchtel.StepRun) -> int:
    """Load one file; return the sum of its orders, in cents."""
    orders, failed = [], 0
    for order, day, amount, customer in csv.reader(io.StringIO(file_of(number))):
        try:
            cents = round(float(amount) * 100)
        except ValueError as error:
            step.failed_record(order, error)
            failed += 1
        else:
            orders.append((order, day, cents, customer, json.dumps({"order": order, "day": day, "source": number})))
    database.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", orders)
    database.execute("DELETE FROM orders WHERE length(details) = 0")
    step.records(read=ROWS, written=len(orders))
    return sum(cents for _, _, cents, _, _ in orders)


def main() -> None:
    """Do the work."""
    logging.basicConfig(level=logging.INFO, stream=open(os.devnull, "w"))  # noqa: SIM115  # open to the end
    with batchtel.job("orders_load", type="etl") as job:
        job.inputs("postgresql://etl@db.internal/shop")
        for first in range(0, BATCHES, FILES_OF_A_STEP):
            database = sqlite3.connect(":memory:")
            database.execute("CREATE TABLE orders (id, day, cents, customer, details)")
            with batchtel.step("load") as step:
                for number in range(first, min(first + FILES_OF_A_STEP, BATCHES)):
                    cents = load(database, number, step)
                    LOGGER.info(
                        "loaded %d orders from s3://landing/orders/2026-03-01/part-%05d.csv, %d cents in all",
                        *(ROWS, number, cents),
                        extra={"file": number, "bucket": "landing"},
                    )
                    job.records(processed=ROWS - 1, failed=1)
                    job.progress(number + 1, total=BATCHES)
            database.close()


def leave_out() -> None:
    """Leave out heartbeat and redaction."""
    Scope.beat = lambda self: None  # type: ignore[method-assign]
    Redaction.text = lambda self, text: text  # type: ignore[method-assign]
    Redaction.value = lambda self, key, value: value  # type: ignore[method-assign]
    Redaction.attributes = lambda self, attributes: dict(attributes)  # type: ignore[method-assign]
    Redaction.pair = lambda self, name, value: (name, value)  # type: ignore[method-assign]
    Redaction.name = lambda self, name: name  # type: ignore[method-assign]


class Clock:
    """Sums the CPU seconds of the outermost calls of some functions."""

    def __init__(self) -> None:
        self.seconds, self.calls = 0.0, 0
        self._within = threading.local()

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return `function`, timed."""

        def timed(*arguments: Any) -> Any:
            if getattr(self._within, "yes", False):
                return function(*arguments)
            self._within.yes, begun = True, time.thread_time()
            try:
                return function(*arguments)
            finally:
                self.seconds += time.thread_time() - begun
                self.calls += 1
                self._within.yes = False

        return timed


if os.environ["VARIANT"] == "bare":
    leave_out()
heartbeat, redaction = Clock(), Clock()
if os.environ["VARIANT"] == "timed":
    Scope.beat = heartbeat.around(Scope.beat)  # type: ignore[method-assign]
    for name in ("attributes", "name", "pair", "text", "value"):
        setattr(Redaction, name, redaction.around(getattr(Redaction, name)))
main()
batchtel.flush()
if os.environ["VARIANT"] == "timed":
    with open(os.environ["SPENT"], "w") as spent:
        json.dump({"heartbeat": heartbeat.seconds, "beats": heartbeat.calls, "redaction": redaction.seconds}, spent)
