"""Facts of an Airflow process that are read without importing Airflow."""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Callable
from typing import Final

from batchtel.base.guard import harmless

_CONFIGURATIONS: Final = ("airflow.sdk.configuration", "airflow.configuration")
"""Where task processes of 3.2 and later have Airflow's settings, and where the others have."""


def is_scheduler() -> bool:
    """Return whether this process is the scheduler, which gives the warnings of an installation: tasks give none."""
    return sys.argv[1:2] == ["scheduler"]


@functools.cache
def makes_spans() -> bool:
    """Whether Airflow's setting `[traces] otel_on` is true in the configuration that this process has loaded."""
    loaded = [sys.modules[name] for name in _CONFIGURATIONS if name in sys.modules]
    return bool(loaded) and bool(loaded[0].conf.getboolean("traces", "otel_on", fallback=False))


class _AtShutdown(logging.Handler):
    """A handler that `logging.shutdown` closes; `logging.config` does so, too, in the middle of a task."""

    def __init__(self, function: Callable[[], object]) -> None:
        super().__init__()
        self._function = function
        self._process = os.getpid()

    @harmless(None)
    def close(self) -> None:
        """Call the function, in the process that it was given in."""
        super().close()
        if self._process == os.getpid():
            self._function()


def at_logging_shutdown(function: Callable[[], object]) -> None:
    """Call `function` at the shutdown of logging, once; before it, too, where the task configures its logging again.

    A task of Airflow 2 ends by `logging.shutdown` and `os._exit`, without exit handlers.
    """
    # `logging` has weak references only.
    _kept.append(_AtShutdown(function))


_kept: Final[list[_AtShutdown]] = []
