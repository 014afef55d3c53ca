"""Extract, transform, load: the airports of Europe with an IATA code, into a database.

    python -m batchtel_stack.demo.jobs.etl DATABASE

A record without a city is rejected. About one in twenty has none: the data is real.
"""

from __future__ import annotations

import logging
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import batchtel
from batchtel_stack.demo import airports, ledger
from batchtel_stack.demo.airports import Airport
from batchtel_stack.demo.ledger import Page

JOB: Final = "airport_etl"
SCHEMA_VERSION: Final = "2"
SOURCE: Final = "airportsdata"
METRES_PER_FOOT: Final = 0.3048

Row = tuple[str, str, str, float]
"""IATA code, city, country, elevation in metres."""


def main(database: Path) -> None:
    """Run the job once."""
    logging.basicConfig(level=logging.INFO)
    with batchtel.job(JOB, type="etl") as job, ledger.run(JOB, job.run_id, job.attempt) as page:
        job.inputs(SOURCE)
        job.outputs(database.name)
        extracted = extract(page)
        rows = list(transform(page, extracted))
        load(page, rows, database)
        passed, failed = len(rows), len(extracted) - len(rows)
        score = passed / len(extracted)
        page.count(processed=passed, failed=failed, quality=score, schema_version=SCHEMA_VERSION)
        job.records(processed=passed, failed=failed)
        job.quality(score, schema_version=SCHEMA_VERSION)
        logging.info("loaded %d airports, %d have no city", passed, failed)


def extract(page: Page) -> list[Airport]:
    """Read all airports and keep those of this job."""
    with batchtel.step("extract") as step, page.step("extract") as ours:
        everything = list(airports.read())
        wanted = [airport for airport in everything if airport["iata"] and airport["tz"].startswith("Europe/")]
        ours.count(read=len(everything), written=len(wanted))
        step.records(read=len(everything), written=len(wanted))
    return wanted


def transform(page: Page, extracted: list[Airport]) -> Iterator[Row]:
    """Turn each airport into a row; one that is rejected is a failed record."""
    with batchtel.step("transform") as step, page.step("transform") as ours:
        written = failed = 0
        for airport in extracted:
            try:
                yield to_row(airport)
            except ValueError as error:
                failed += 1
                ours.failed_record(airport["iata"])
                step.failed_record(airport["iata"], error)
            else:
                written += 1
        ours.count(read=len(extracted), written=written, failed=failed)
        step.records(read=len(extracted), written=written)


def to_row(airport: Airport) -> Row:
    """Check one airport and convert its units.

    Raises:
        ValueError: It has no city.
    """
    if not airport["city"]:
        raise ValueError(f"{airport['name']} has no city")
    return airport["iata"], airport["city"], airport["country"], float(airport["elevation"]) * METRES_PER_FOOT


def load(page: Page, rows: list[Row], database: Path) -> None:
    """Write the rows into a table of their own."""
    with batchtel.step("load") as step, page.step("load") as ours, closing(sqlite3.connect(database)) as store, store:
        store.execute("create table airport (iata text primary key, city text, country text, elevation real)")
        store.executemany("insert into airport values (?, ?, ?, ?)", rows)
        (written,) = store.execute("select count(*) from airport").fetchone()
        ours.count(read=len(rows), written=written)
        step.records(read=len(rows), written=written)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
