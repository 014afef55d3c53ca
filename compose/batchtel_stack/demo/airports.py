"""The data that the demo's jobs work on: the airports of the world, from the package `airportsdata` (MIT licence)."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from importlib.resources import files
from importlib.util import find_spec
from typing import Final

PACKAGE: Final = "airportsdata"

Airport = dict[str, str]
"""One row: icao, iata, name, city, subd, country, elevation (feet), lat, lon, tz, lid; "" where unknown."""


def installed() -> bool:
    """Return whether the data is installed."""
    return find_spec(PACKAGE) is not None


def read() -> Iterator[Airport]:
    """Yield every airport in the order of the file."""
    with (files(PACKAGE) / "airports.csv").open(encoding="utf-8") as file:
        yield from csv.DictReader(file)
