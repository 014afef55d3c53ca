"""`retry`: call a job or a step again when it fails, recorded as one run with several attempts.

Only here it is decided whether another attempt follows, so only the last one completes the run; the ones before it are
reported as failed attempts, with the state `retrying` between them.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from batchtel.base.awaitables import is_awaited, is_future
from batchtel.base.calls import lenient
from batchtel.base.guard import warn_once
from batchtel.base.values import number_of, whole_number
from batchtel.runs.attempt import Attempt, offer
from batchtel.runs.decorated import is_callable, standing_in

Function = TypeVar("Function", bound=Callable[..., Any])


class Retry:
    """The rule of retries: how often and when; a decorator for functions and coroutine functions."""

    def __init__(
        self, attempts: int, delay: float, factor: float, longest: float, on: tuple[type[BaseException], ...]
    ) -> None:
        self.attempts = attempts
        self.delay = delay
        self.factor = factor
        self.longest = longest
        self.on = on

    def __call__(self, function: Function) -> Function:
        """Decorate `function`."""
        import inspect

        if isinstance(function, (classmethod, staticmethod)):
            return cast("Function", type(function)(self(function.__func__)))
        if not is_callable(function):
            return function
        wrapper = self._coroutine(function) if inspect.iscoroutinefunction(function) else self._function(function)
        return cast("Function", standing_in(function, wrapper, self))

    def waits(self) -> Iterator[float]:
        """Yield the seconds to wait after each attempt: they grow by the factor up to the longest."""
        wait = min(self.longest, self.delay)
        while True:
            yield min(wait, threading.TIMEOUT_MAX)
            # From wait to wait: a power of the factor would overflow at the 1,025th attempt.
            wait = min(self.longest, wait * self.factor)

    def _first(self) -> Attempt:
        return Attempt(1, self.attempts, self.on)

    def _function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            attempt, waits = self._first(), self.waits()
            while True:
                offer(attempt)
                try:
                    result = function(*args, **kwargs)
                except self.on as exception:
                    if not attempt.goes_on(exception):
                        raise
                else:
                    again = functools.partial(function, *args, **kwargs)
                    return self._awaited(result, again, attempt, waits) if is_awaited(result) else result
                finally:
                    offer(None)
                time.sleep(next(waits))
                attempt = attempt.next()

        return call

    def _awaited(self, result: Any, again: Callable[[], Any], attempt: Attempt, waits: Iterator[float]) -> Any:
        """Return what awaits `result` and, where that fails, what `again` returns."""
        attempts = self._attempts(again, attempt, waits, result)
        if not is_future(result):
            return attempts
        import asyncio

        return asyncio.ensure_future(attempts, loop=result.get_loop())

    def _coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._attempts(functools.partial(function, *args, **kwargs), self._first(), self.waits())

        return call

    async def _attempts(
        self, call: Callable[[], Any], attempt: Attempt, waits: Iterator[float], begun: Any = None
    ) -> Any:
        import asyncio

        while True:
            offer(attempt)
            try:
                result, begun = call() if begun is None else begun, None
                return await result
            except self.on as exception:
                if not attempt.goes_on(exception):
                    raise
            finally:
                offer(None)
            await asyncio.sleep(next(waits))
            attempt = attempt.next()


if TYPE_CHECKING:

    @overload
    def retry(attempts: Function) -> Function: ...
    @overload
    def retry(
        attempts: int = 3,
        *,
        delay: float = 1.0,
        factor: float = 2.0,
        longest: float = 300.0,
        on: type[BaseException] | tuple[type[BaseException], ...] = Exception,
    ) -> Retry: ...


@lenient(call="batchtel.retry(attempts=3, delay=10)")
def retry(
    attempts: Any = 3,
    *,
    delay: float = 1.0,
    factor: float = 2.0,
    longest: float = 300.0,
    on: type[BaseException] | tuple[type[BaseException], ...] = Exception,
) -> Any:
    """Call a function again when it raises, up to `attempts` times in all.

        @batchtel.retry(attempts=3, delay=10)
        @batchtel.job("nightly_etl")
        def main() -> None: ...

    Args:
        attempts: Attempts in all, the first one included; a decorator without parentheses, `@batchtel.retry`, has 3.
        delay: Seconds to wait before the second attempt.
        factor: By how much each wait is longer than the one before.
        longest: Longest wait in seconds.
        on: Exceptions that are worth another attempt; any other one ends the run at once.

    What cannot be used of these is reported, and its default is used.
    """
    if callable(attempts) or hasattr(type(attempts), "__get__"):
        return retry()(attempts)
    kinds = tuple(kind for kind in (on if isinstance(on, tuple) else (on,)) if _is_exception(kind))
    if not kinds:
        warn_once("retry:on", "retry(): on=%.60s is not an exception class; write retry(on=OSError)", on)
        kinds = (Exception,)
    if isinstance(attempts, int) and attempts < 1:
        warn_once(
            "retry:attempts", "retry(attempts=%d): the first call is an attempt, too; 1 is used instead", attempts
        )
        attempts = 1
    number = whole_number(attempts, "retry attempts")
    return Retry(
        3 if number is None else max(1, number),
        _seconds(delay, "delay", 1.0),
        _seconds(factor, "factor", 2.0),
        _seconds(longest, "longest", 300.0),
        kinds,
    )


def _is_exception(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseException)


def _seconds(given: object, what: str, default: float) -> float:
    number = number_of(given, f"retry {what}")
    if number is not None and number < 0:
        warn_once(f"retry:{what}", "retry(%s=%g) is negative; %g is used instead", what, number, default)
    return default if number is None or number < 0 else number
