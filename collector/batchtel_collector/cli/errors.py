"""Errors of the collector side, raised again as errors of the command line with an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from batchtel.cli.main import Failure
from batchtel_collector.check.collector_binary import CollectorUnavailableError
from batchtel_collector.environment.errors import InputError

WRONG_INPUT: Final = 2
"""Exit code of a command whose environment, file or choice cannot be used."""

UNAVAILABLE: Final = 3
"""Exit code of a command that finds no collector to run."""


@contextmanager
def as_failures() -> Iterator[None]:
    """Raise errors of the collector side as Failure, with the same message; also a decorator of commands."""
    try:
        yield
    except InputError as error:
        raise Failure(str(error), WRONG_INPUT) from None
    except CollectorUnavailableError as error:
        raise Failure(str(error), UNAVAILABLE) from None
