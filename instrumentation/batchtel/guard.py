"""The guard around everything batchtel does inside a job: telemetry never raises.

A failure of ours is reported once a place, as a warning of the logger `batchtel`, and the job goes on.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from batchtel import settings

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Default = TypeVar("Default")

LOGGER: Final = logging.getLogger("batchtel")
_reported: Final[set[str]] = set()


def warn_once(key: str, message: str, *arguments: object, exc_info: bool = False) -> None:
    """Log `message` as a warning, once a process for each `key`: a loop over a million rows must not fill a log.

    OTEL_SDK_DISABLED=true silences it.
    """
    if key in _reported or settings.read().disabled:
        return
    _reported.add(key)
    LOGGER.warning(message, *arguments, exc_info=exc_info)


def warned_elsewhere(key: str) -> None:
    """Keep this process from the warning `key`, which another process of the same installation gives once."""
    _reported.add(key)


def harmless(
    default: Default,
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result | Default]]:
    """Make a function return `default` where it would raise an Exception.

    BaseExceptions pass: KeyboardInterrupt and SystemExit belong to the job, whichever line they arrive at.
    """

    def decorate(function: Callable[Parameters, Result]) -> Callable[Parameters, Result | Default]:
        @functools.wraps(function)
        def guarded(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result | Default:
            try:
                return function(*args, **kwargs)
            except Exception:
                warn_once(
                    function.__qualname__,
                    "batchtel failed in %s and left the job alone; this is a defect of batchtel",
                    function.__qualname__,
                    exc_info=True,
                )
                return default

        return guarded

    return decorate
