"""The limit of a run's log records: which are sent, where there are very many."""

from __future__ import annotations

import itertools
import logging
from collections import deque
from typing import Any, Final

from batchtel.schema.limits import RUN_LAST_LIMIT, RUN_LOG_LIMIT, RUN_WARNING_LIMIT

_SEVERE: Final = logging.WARNING


class RunLog:
    """Counts the log records of one run: the first are sent, of the rest warnings and worse, and the last ones.

    `last` holds what is sent when the run ends; `begins_to_leave_out` is set by the first record beyond the limit.
    """

    def __init__(self) -> None:
        # Counters whose next() is atomic: threads share the limits of their run.
        self._records = itertools.count(1)
        self._warnings = itertools.count(1)
        self._is_full = False
        self._has_all_warnings = True
        self.last: deque[Any] = deque(maxlen=RUN_LAST_LIMIT)
        self.begins_to_leave_out = False

    def admits(self, level: int) -> bool:
        """Count one record of `level`; return whether it is sent as it comes."""
        number = next(self._records)
        self._is_full = number >= RUN_LOG_LIMIT
        self.begins_to_leave_out = number == RUN_LOG_LIMIT + 1
        if number <= RUN_LOG_LIMIT:
            return True
        if level < _SEVERE or not self._has_all_warnings:
            return False
        self._has_all_warnings = next(self._warnings) < RUN_WARNING_LIMIT
        return True

    def will_admit(self, level: int) -> bool:
        """Return whether the next record of `level` would be sent as it comes."""
        return not self._is_full or (level >= _SEVERE and self._has_all_warnings)
