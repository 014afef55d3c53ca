"""The one lock for what the threads of a process count together; it is held for microseconds."""

from __future__ import annotations

import os
import threading


def shared() -> threading.RLock:
    """Return the lock: reentrant, for a signal handler of the job may count while the main thread does."""
    return _lock


_lock = threading.RLock()


def _renew() -> None:
    # Another thread of the parent may have held it, and is not here to let go.
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_renew)
