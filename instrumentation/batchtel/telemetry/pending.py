"""Sums and maxima of one interval, on their way to the SDK's instruments.

One call of an instrument costs 14 us, most of it for its attributes and an exemplar; one here costs 1 us. What is
counted here has no exemplars.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from batchtel.base import native

_PATIENCE: Final = 0.5
"""Seconds that a thread waits for another one that counts; it may have been stopped by a signal handler."""

Value = tuple[str, float, Mapping[str, str]]
"""Name of a metric, value and attributes."""


class Pending:
    """The value of each series since it was last drained, merged by `merge` of the one before and a new one."""

    def __init__(self, merge: Callable[[float, float], float]) -> None:
        self._merged = merge
        # Reentrant: a signal handler of the job may count while the main thread does.
        self._lock = native.RLock()
        self._is_entered = False
        self._aside: deque[Value] = deque()
        self._values: dict[tuple[str, ...], Value] = {}

    def put(self, name: str, value: float, attributes: Mapping[str, str]) -> None:
        """Merge one value into its series; attributes come in the same order each time."""
        with self._lock:
            if self._is_entered:
                # What it has interrupted is about to write what it has read.
                self._aside.append((name, value, attributes))
                return
            self._is_entered = True
            try:
                self._merge(name, value, attributes)
            finally:
                self._is_entered = False

    def _merge(self, name: str, value: float, attributes: Mapping[str, str]) -> None:
        key = (name, *attributes.values())
        before = self._values.get(key)
        self._values[key] = (name, value if before is None else self._merged(before[1], value), attributes)

    def drain(self) -> Iterator[Value]:
        """Yield the value of each series since the last call."""
        if not self._lock.acquire(timeout=_PATIENCE):
            return
        try:
            if self._is_entered:
                return
            while self._aside:
                self._merge(*self._aside.popleft())
            drained, self._values = self._values, {}
        finally:
            self._lock.release()
        yield from drained.values()
