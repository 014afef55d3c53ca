"""Clocks and `open` as the interpreter makes them, whatever a job or its tests put in their place.

Tests of jobs replace `time.time` by a mock that has two answers, or `builtins.open` by one that counts, and freezegun
stops every clock that it finds in a module: telemetry would use the answers up, raise, or wait for a time that never
comes. What batchtel does for itself uses these; what it does in the job's stead (`retry` waits) uses the job's.
"""

from __future__ import annotations

import os
import sys
from _io import open as _open  # of C: `builtins.open` may be a mock already
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final


def module(name: str) -> ModuleType:
    """Return a built-in module of our own, as the interpreter makes it: libraries patch the one that all share."""
    # By its own loader: `importlib.util` has a function for it, and costs a job 0.5 ms.
    spec = sys.modules[name].__spec__
    made = spec.loader.create_module(spec) if spec is not None and spec.loader is not None else None
    if spec is None or spec.loader is None or made is None:
        return sys.modules[name]
    spec.loader.exec_module(made)
    return made


_time: Final[Any] = module("time")

time: Final[Callable[[], float]] = _time.time
time_ns: Final[Callable[[], int]] = _time.time_ns
monotonic: Final[Callable[[], float]] = _time.monotonic
perf_counter: Final[Callable[[], float]] = _time.perf_counter
thread_time: Final[Callable[[], float]] = _time.thread_time
sleep: Final[Callable[[float], None]] = _time.sleep
urandom: Final[Callable[[int], bytes]] = os.urandom
open: Final = _open  # noqa: A001  # the name that it stands for
