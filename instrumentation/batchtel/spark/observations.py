"""What `DataFrame.observe` has observed, for the step in which the action has ended.

https://spark.apache.org/docs/latest/api/python/reference/pyspark.sql/observation.html
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from batchtel.base.guard import harmless

PREFIX: Final = "spark.observed"
"""How the attributes begin that have observed metrics."""

LIMIT: Final = 1_000
"""Observations that wait for their action; of more the oldest are left out."""


class Waiting(NamedTuple):
    """An observation whose action has not ended: the thread that has made it, its name, and the object of PySpark."""

    thread: int
    name: str
    observation: Any


def of_driver(read: Callable[[Any], Mapping[str, Any] | None]) -> Observations:
    """Return the observations of a driver with a JVM."""
    from pyspark.sql.observation import Observation

    return Observations(Observation, read)


def of_client() -> Observations:
    """Return the observations of a client of Spark Connect, which has their metrics itself."""
    from pyspark.sql.connect.observation import Observation

    return Observations(Observation, lambda observation: observation._result or None)


class Observations:
    """The observations of one kind that are made from here on.

    Args:
        kind: PySpark's class: that of a driver, or that of Spark Connect.
        read: returns the metrics of an observation by their name, without a wait; None before its action has ended.
    """

    def __init__(self, kind: Any, read: Callable[[Any], Mapping[str, Any] | None]) -> None:
        self._kind = kind
        self._read = read
        self._waiting: dict[int, Waiting] = {}
        given = kind._on

        @functools.wraps(given)
        def on(observation: Any, *args: Any, **kwargs: Any) -> Any:
            # Spark Connect gives it a name here, an id, where the job has given none.
            name = getattr(observation, "_name", None)
            observed = given(observation, *args, **kwargs)
            self._add(observation, name)
            return observed

        self._given, self._ours = given, on
        kind._on = on

    @harmless(None)
    def _add(self, observation: Any, name: str | None) -> None:
        self._waiting[id(observation)] = Waiting(threading.get_ident(), name or "", observation)
        if len(self._waiting) > LIMIT:
            self._waiting.pop(next(iter(self._waiting)), None)

    @property
    def is_waiting(self) -> bool:
        """Whether an observation of this thread waits for its action."""
        return any(waiting.thread == threading.get_ident() for waiting in list(self._waiting.values()))

    def ended(self, *, everywhere: bool = False) -> list[tuple[str, Any]]:
        """Return the metrics that this thread's observations, or those of all threads, have since the last call."""
        found: list[tuple[str, Any]] = []
        for key, waiting in list(self._waiting.items()):
            if not everywhere and waiting.thread != threading.get_ident():
                continue
            metrics = self._read(waiting.observation)
            if metrics is not None:
                self._waiting.pop(key, None)
                found += attributes(waiting.name, metrics.items())
        return found

    def close(self) -> None:
        """Leave PySpark's class as it was."""
        self._waiting.clear()
        # Another tool may have wrapped it since.
        if self._kind._on is self._ours:
            self._kind._on = self._given


def attributes(name: str, metrics: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Return attributes for the metrics of an observation; `name` is empty for one without a name."""
    prefix = f"{PREFIX}.{name}" if name else PREFIX
    return ((f"{prefix}.{metric}", value) for metric, value in metrics if value is not None)
