"""The last word of a task of Airflow 2, whose process calls `logging.shutdown`, then `os._exit`: no exit handlers."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Final

from batchtel.base.guard import harmless


class _LastWord(logging.Handler):
    """Is closed by `logging.shutdown`; `logging.config` does so, too, in the middle of a task."""

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


def at_shutdown(function: Callable[[], object]) -> None:
    """Call `function` at the shutdown of logging, once; before it, too, where the task configures its logging anew."""
    # `logging` has weak references only.
    _kept.append(_LastWord(function))


_kept: Final[list[_LastWord]] = []
