"""How a process ends: normally by atexit, in the workers of multiprocessing by a way of its own."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable
from typing import Final

_POOLS: Final = ("multiprocessing", "billiard")
"""Libraries whose children leave by `os._exit`, after their own finalizers; billiard is Celery's multiprocessing."""

_forked = False


def at_end(function: Callable[[int], object], process: int) -> None:
    """Call `function(process)` at the end of this process, whichever way it ends short of a kill and `os._exit`."""
    atexit.register(function, process)
    for name in _POOLS:
        util = sys.modules.get(f"{name}.util")
        if util is not None and _is_worker(name):
            # Below 0: after the children that the worker itself has started were joined.
            util.Finalize(None, function, args=(process,), exitpriority=-1)


def is_child_process() -> bool:
    """Whether this process was forked without exec, or started by multiprocessing: a pool may kill it at any moment."""
    return _forked or any(_is_worker(name) for name in _POOLS)


def _is_worker(name: str) -> bool:
    process = sys.modules.get(f"{name}.process")
    return process is not None and getattr(process.current_process(), "_parent_pid", None) is not None


def _note_fork() -> None:
    global _forked
    _forked = True


os.register_at_fork(after_in_child=_note_fork)
