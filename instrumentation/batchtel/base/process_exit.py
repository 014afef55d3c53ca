"""How a process ends: normally by atexit, in the workers of multiprocessing by a way of its own."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

from batchtel.base import pristine

_POOLS: Final = ("multiprocessing", "billiard")
"""Libraries whose children leave by `os._exit`, after their own finalizers; billiard is Celery's multiprocessing."""

_GENERATIONS: Final = 16
"""Processes above a worker in which its run is looked for."""

_forked = False
_in_workers: Final[list[Callable[[], object]]] = []


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
    return _forked or is_worker()


def is_worker() -> bool:
    """Whether a library for pools of processes has started this one, by whatever way."""
    return any(_is_worker(name) for name in _POOLS)


def in_workers(function: Callable[[], object]) -> None:
    """Call `function` in this process, if it is a worker or is about to be, and in each worker that is forked from it.

    A worker that is not forked imports its main module before it is one.
    """
    _in_workers.append(function)
    process = sys.modules.get("multiprocessing.process")
    if is_worker() or (process is not None and hasattr(process.current_process(), "_inheriting")):
        function()


def _begin_as_worker(unused: object) -> None:
    for function in _in_workers:
        function()


def handed_on() -> Iterator[dict[str, Any]]:
    """Yield what the process of each library that is loaded hands on, by copies, to those that it starts."""
    for name in _POOLS:
        process = sys.modules.get(f"{name}.process")
        config = getattr(process.current_process(), "_config", None) if process is not None else None
        if isinstance(config, dict):
            yield config


def ancestors() -> Iterator[int]:
    """Yield the ids of the processes above this one, the nearest first, if it is a worker; else nothing.

    A forkserver may stand between a worker and the process that uses it, and so may other workers.
    """
    if not is_worker():
        return
    process = os.getpid()
    for _ in range(_GENERATIONS):
        process = _parent(process)
        if process <= 0:
            return
        yield process


def _parent(process: int) -> int:
    """Return the id of the parent of a process; 0 if there is none, or it cannot be seen."""
    if process == os.getpid():
        return os.getppid()
    try:
        with pristine.open(f"/proc/{process}/stat", "rb") as file:
            # The name, in parentheses, may itself hold spaces and parentheses.
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, ValueError):
        return 0


def _is_worker(name: str) -> bool:
    process = sys.modules.get(f"{name}.process")
    return process is not None and getattr(process.current_process(), "_parent_pid", None) is not None


def _note_fork() -> None:
    global _forked
    _forked = True
    for name in _POOLS:
        util = sys.modules.get(f"{name}.util")
        if util is not None:
            # Called where the child turns out to be a worker; the library keeps no reference to the object.
            util.register_after_fork(_begin_as_worker, _begin_as_worker)


os.register_at_fork(after_in_child=_note_fork)
