"""How far a run has come."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from batchtel.base import lock
from batchtel.base.calls import asked
from batchtel.base.guard import warn_once
from batchtel.base.values import number_of, text_of


class Progress:
    """Work done and work in all, in records or any other unit; both grow by what the job's code reports."""

    def __init__(self) -> None:
        self._done = 0.0
        self._total: float | None = None
        self._function: Callable[[], float] | None = None
        self._process = 0

    def set_total(self, total: object) -> None:
        """Keep how much work there is in all."""
        self._total = number_of(total, "progress total")

    def ask_at_heartbeats(self, function: Callable[[], float]) -> None:
        """Ask `function` at each heartbeat how much is done."""
        self._function, self._process = function, os.getpid()

    def asked(self) -> float | None:
        """Ask the function, if there is one, and return how much more is done; None for nothing to count.

        A forked child holds its parent's function, too: both would count what was done before the fork.
        """
        if self._function is None or self._process != os.getpid():
            return None
        return self.reach(asked(self._function, "progress()"))

    def reach(self, done: object) -> float | None:
        """Keep that `done` is done in all, and return how much more that is; None for what is no progress."""
        total = number_of(done, "progress") if done is not None else None
        if total is None:
            return None
        with lock.shared():
            more = total - self._done
            counts = 0 <= more < float("inf")
            if counts:
                self._done += more
        if counts:
            return more
        warn_once("progress", "progress %.60s is below what was done before; it is not counted", text_of(done))
        return None

    def attributes(self) -> dict[str, Any]:
        """Return the attributes of what was reported."""
        done = {"batch.progress.done": self._done} if self._done or self._total is not None else {}
        return {**done, **({"batch.progress.total": self._total} if self._total is not None else {})}
