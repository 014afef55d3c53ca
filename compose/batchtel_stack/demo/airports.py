"""The data that the demo's jobs work on: the airports of the world, from the package `airportsdata` (MIT licence)."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from importlib.resources import files
from importlib.util import find_spec
from typing import Final

from batchtel.cli.main import INSTALL, Failure

PACKAGE: Final = "airportsdata"

Airport = dict[str, str]
"""One row: icao, iata, name, city, subd, country, elevation (feet), lat, lon, tz, lid; "" where unknown."""


def require() -> None:
    """Do nothing if the data is installed.

    Raises:
        Failure: It is not (exit code 2).
    """
    if find_spec(PACKAGE) is None:
        raise Failure(f"`batchtel demo` needs the data of the package {PACKAGE}, which is missing: {INSTALL}", 2)


def read() -> Iterator[Airport]:
    """Yield every airport in the order of the file."""
    with (files(PACKAGE) / "airports.csv").open(encoding="utf-8") as file:
        yield from csv.DictReader(file)
