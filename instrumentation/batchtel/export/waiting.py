"""The pending items of one signal: batchtel's own spans and events go first, however much a job logs."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

OWN_SCOPE: Final = "batchtel"
"""Name of the instrumentation scope of batchtel's own spans and events, the audit records."""


class Waiting:
    """Items in the order they came, at most `limit` of batchtel's own and as many others; the oldest are dropped."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._own: deque[Any] = deque(maxlen=limit)
        self._others: deque[Any] = deque(maxlen=limit)

    def __len__(self) -> int:
        return len(self._own) + len(self._others)

    def put(self, item: Any) -> bool:
        """Add one item, the newest; False where the oldest had to go for it."""
        queue = self._queue_of(item)
        has_room = len(queue) < self.limit
        queue.append(item)
        return has_room

    def pop(self, limit: int) -> list[Any]:
        """Remove and return at most `limit` items, batchtel's own first; in the order of their times."""
        own = [self._own.popleft() for _ in range(min(limit, len(self._own)))]
        others = [self._others.popleft() for _ in range(min(limit - len(own), len(self._others)))]
        return sorted(own + others, key=_time_of) if own and others else own + others

    def pop_newest(self) -> list[Any]:
        """Remove and return the newest item that is not batchtel's own."""
        return [self._others.pop()]

    def put_back(self, items: list[Any]) -> int:
        """Add `items` as the oldest; return how many are dropped, their oldest, for want of room."""
        dropped = 0
        for queue in (self._own, self._others):
            batch = [item for item in items if self._queue_of(item) is queue]
            excess = max(0, len(batch) - (self.limit - len(queue)))
            queue.extendleft(reversed(batch[excess:]))
            dropped += excess
        return dropped

    def _queue_of(self, item: Any) -> deque[Any]:
        scope = getattr(item, "instrumentation_scope", None)
        return self._own if scope is not None and scope.name == OWN_SCOPE else self._others


def _time_of(item: Any) -> int:
    """Return when a span ended, or a log record was made, in ns."""
    record = getattr(item, "log_record", None)
    return (item.end_time if record is None else record.observed_timestamp) or 0
