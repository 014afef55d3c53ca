"""Errors of the stack and of the stores, raised again as errors of the command line with an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from batchtel.cli.main import Failure
from batchtel_collector.cli import errors
from batchtel_dashboards.stores.errors import StoreError
from batchtel_stack.errors import RulesMissingError, UnavailableError, WrongInputError

DIFFERS: Final = 1
"""Exit code of a command that found a store without what it needs."""


@contextmanager
def as_failures() -> Iterator[None]:
    """Raise errors of stack, stores and environments as Failure, message included; also a decorator of commands."""
    try:
        with errors.as_failures():
            yield
    except RulesMissingError as error:
        raise Failure(str(error), DIFFERS) from None
    except WrongInputError as error:
        raise Failure(str(error), errors.WRONG_INPUT) from None
    except (UnavailableError, StoreError) as error:
        raise Failure(str(error), errors.UNAVAILABLE) from None
