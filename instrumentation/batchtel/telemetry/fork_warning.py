"""The warning of Python 3.12 and later that a process with threads forks, where no thread is the job's own.

os.fork() counts the threads of the operating system, ours included, and warns on stderr, or raises where warnings are
errors. Our threads hold no lock while the job forks, and a child never uses what they hold.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from typing import Any

from batchtel.base.guard import harmless

_filter: Any = None
_is_installed = False


def install() -> None:
    """Look at each fork from now on whether the job has threads of its own."""
    global _is_installed
    if sys.version_info >= (3, 12) and not _is_installed:
        _is_installed = True
        os.register_at_fork(before=_before_fork)


@harmless(None)
def _before_fork() -> None:
    # Left in place afterwards: 3.12 warns before the handlers that run after a fork, 3.13 after them.
    global _filter
    if _filter is not None and _filter in warnings.filters:
        warnings.filters.remove(_filter)  # type: ignore[attr-defined,unused-ignore]  # a list, in every version
    _filter = None
    if all(thread is threading.main_thread() or _is_a_stranger(thread) for thread in threading.enumerate()):
        warnings.filterwarnings("ignore", r"This process .* is multi-threaded, use of fork", DeprecationWarning)
        _filter = warnings.filters[0]


def _is_a_stranger(thread: threading.Thread) -> bool:
    """Whether `threading` has met a thread that it has not started, as ours are when they log."""
    return isinstance(thread, threading._DummyThread)
