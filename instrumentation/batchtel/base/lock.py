"""The one lock for what the threads of a process count together; it is held for microseconds."""

from __future__ import annotations

import os
from typing import Any

from batchtel.base import native


def shared() -> Any:
    """Return the lock: reentrant, for a signal handler of the job may count while the main thread does."""
    return _lock


_lock = native.RLock()


def _renew() -> None:
    # Another thread of the parent may have held it, and is not here to let go.
    global _lock
    _lock = native.RLock()


os.register_at_fork(after_in_child=_renew)
