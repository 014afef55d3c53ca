"""One attempt of several at the same run or step."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final


class Attempt:
    """Attempt `number` of `limit` in all, both from 1; after one that ends with an exception of `on` another follows.

    `run_id`, `first_started` (Unix time), `before` (the span context of the attempt before) and `owed` (by its SLA,
    with its start) pass from each attempt to the next. The first run or step that opens within it fills them in.
    """

    def __init__(self, number: int = 1, limit: int = 1, on: tuple[type[BaseException], ...] = ()) -> None:
        self.number = number
        self.limit = limit
        self.on = on
        self.run_id: str | None = None
        self.first_started: float | None = None
        self.before: Any = None
        self.owed: Any = None

    def goes_on(self, exception: BaseException | None) -> bool:
        """Return whether another attempt follows one that ended with `exception`."""
        return isinstance(exception, self.on) and self.number < self.limit

    @property
    def used_up(self) -> bool:
        """Whether this is the last attempt of several."""
        return self.number == self.limit > 1

    def next(self) -> Attempt:
        """Return the attempt after this one."""
        following = Attempt(self.number + 1, self.limit, self.on)
        following.run_id, following.first_started, following.before = self.run_id, self.first_started, self.before
        following.owed = self.owed
        return following


_offered: Final[ContextVar[Attempt | None]] = ContextVar("batchtel_attempt", default=None)


def offer(attempt: Attempt | None) -> None:
    """Offer `attempt` to the run or step that opens next in this context; None offers none any longer."""
    _offered.set(attempt)


def offered_attempt() -> Attempt | None:
    """Return the attempt that is offered in this context, once: what opens further in gets None."""
    attempt = _offered.get()
    if attempt is not None:
        _offered.set(None)
    return attempt
