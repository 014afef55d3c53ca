"""The job catalogue that a command reads, with errors of the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from batchtel.catalogue.keys import CatalogueJob
from batchtel.catalogue.reader import CatalogueError, read
from batchtel.catalogue.zones import NoZonesError
from batchtel.cli.main import Failure


def jobs_of(path: Path | None) -> Mapping[str, CatalogueJob]:
    """Return the jobs of a catalogue by name; none without one.

    Raises:
        Failure: it has problems, or cannot be read (exit code 2).
    """
    if path is None:
        return {}
    try:
        return read(path)
    except CatalogueError as wrong:
        raise Failure(f"the catalogue {path} has {wrong}; list them: batchtel jobs check {path}", 2) from None
    except OSError as error:
        hint = "; begin one with `batchtel jobs init`" if isinstance(error, FileNotFoundError) else ""
        raise Failure(f"cannot read the catalogue {path}: {error.strerror}{hint}", 2) from None


@contextmanager
def schedules(path: Path | None) -> Iterator[None]:
    """Raise Failure (exit code 3) where schedules of a catalogue cannot be computed without time zones."""
    try:
        yield
    except NoZonesError as error:
        raise Failure(f"cannot compute the schedules of {path}: {error}", 3) from None
