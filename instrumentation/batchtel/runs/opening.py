"""One opening of a job or step, until its work has ended: a coroutine, a task or a generator goes on after the call.

Nothing about a plain decorator, a callable object or a partial shows what the call will return. So the result is looked
at: the run or step stays open until that has ended, and is the current one only while it runs.
"""

from __future__ import annotations

import functools
import os
import types
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from batchtel.base.awaitables import is_future
from batchtel.base.guard import harmless
from batchtel.base.process_exit import at_end

if TYPE_CHECKING:
    from batchtel.runs.open_scope import OpenScope

Held = TypeVar("Held")

_ITERABLE_COROUTINE: Final = 0x100
"""The flag of what `types.coroutine` has made: CO_ITERABLE_COROUTINE of inspect, whose import costs 7 ms."""


class Opened(Generic[Held]):
    """One opening of a definition, of which the job's code gets `handle`.

    `scope` is None where nothing is to be ended here: the scope was open before and stays open after, or nothing is
    recorded.
    """

    def __init__(self, handle: Held, scope: OpenScope | None) -> None:
        self.handle = handle
        self.scope = scope
        self._is_pending = False

    def until(self, result: Any) -> Any:
        """Return `result`; if it is work that goes on, what stands for it, and stay open until that has ended."""
        standing_in = None if self.scope is None else _hold(self, self.scope, result)
        self._is_pending = standing_in is not None
        return standing_in if self._is_pending else result

    def resume(self) -> None:
        """Make the scope the current one again, and end it with the block that follows."""
        self._is_pending = False
        if self.scope is not None:
            self.scope.resume()

    def __enter__(self) -> Held:
        return self.handle

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None
    ) -> None:
        _begun.pop(id(self), None)
        if self.scope is None:
            return
        if self._is_pending:
            self.scope.leave()
        else:
            self.scope.end(exception)


_pending: dict[int, Opened[Any]] = {}
"""Openings for work that has not begun."""

_begun: dict[int, Opened[Any]] = {}
"""Those of generators, which may stay where they are until the interpreter is torn down."""

_process = 0


@harmless(None)
def _hold(opened: Opened[Any], scope: OpenScope, result: Any) -> Any:
    """Return what stands for `result` and ends `opened` when that has ended; None if `result` is no unfinished work."""
    if is_future(result):
        _keep(opened)
        result.add_done_callback(functools.partial(_done, opened, scope))
        return result
    relay = _relay(result)
    if relay is None:
        return None
    standing_in = relay(opened, result)
    for name in ("__name__", "__qualname__"):
        if hasattr(result, name):
            setattr(standing_in, name, getattr(result, name))
    _keep(opened)
    # Never started, it ends without a line of it being run.
    weakref.finalize(standing_in, _abandon, opened, scope).atexit = False
    return standing_in


def _relay(result: object) -> Callable[[Opened[Any], Any], Any] | None:
    if isinstance(result, Coroutine):
        return _coroutine
    if isinstance(result, types.GeneratorType):
        # An awaitable one, made by types.coroutine, stays that.
        awaitable = result.gi_code.co_flags & _ITERABLE_COROUTINE
        return types.coroutine(_generator) if awaitable else _generator
    return _async_generator if isinstance(result, types.AsyncGeneratorType) else None


async def _coroutine(opened: Opened[Any], work: Coroutine[Any, Any, Any]) -> Any:
    with _resumed(opened):
        return await work


def _generator(opened: Opened[Any], work: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    with begun(_resumed(opened)):
        return (yield from work)


def _async_generator(opened: Opened[Any], work: AsyncGenerator[Any, Any]) -> AsyncGenerator[Any, Any]:
    return relaying(lambda: _resumed(opened), lambda: work)()


def relaying(
    opened: Callable[[], Opened[Any]], function: Callable[..., AsyncGenerator[Any, Any]]
) -> Callable[..., AsyncGenerator[Any, Any]]:
    """Return an asynchronous generator function that runs `function` within what `opened` returns.

    It does what `yield from` does for generators, and has no counterpart here.
    """

    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        with begun(opened()):
            generator = function(*args, **kwargs)
            try:
                item = await anext(generator)
                while True:
                    try:
                        sent = yield item
                    except GeneratorExit:
                        raise
                    except BaseException as thrown:
                        item = await generator.athrow(thrown)
                    else:
                        item = await generator.asend(sent)
            except StopAsyncIteration:
                return
            finally:
                await generator.aclose()

    return call


def begun(opened: Opened[Any]) -> Opened[Any]:
    """Return `opened`, which a generator holds; it is closed at the end of the process, if that leaves it open."""
    if opened.scope is not None:
        _attend_end()
        _begun[id(opened)] = opened
    return opened


def _resumed(opened: Opened[Any]) -> Opened[Any]:
    _pending.pop(id(opened), None)
    opened.resume()
    return opened


@harmless(None)
def _done(opened: Opened[Any], scope: OpenScope, future: Any) -> None:
    _pending.pop(id(opened), None)
    if future.cancelled():
        scope.cancel("CancelledError")
    else:
        # Not exception(), which would keep asyncio from its message about an exception that was never retrieved.
        scope.end(future._exception)


@harmless(None)
def _abandon(opened: Opened[Any], scope: OpenScope) -> None:
    if _pending.pop(id(opened), None) is not None:
        scope.cancel("GeneratorExit")


def _keep(opened: Opened[Any]) -> None:
    """Note that `opened` is to be ended at the end of this process, where nothing else has ended it."""
    _attend_end()
    _pending[id(opened)] = opened


def _attend_end() -> None:
    global _process
    if _process != os.getpid():
        _process = os.getpid()
        _pending.clear()
        _begun.clear()
        at_end(_end_open, _process)


@harmless(None)
def _end_open(process: int) -> None:
    if process == os.getpid():
        for opened in [*_pending.values(), *_begun.values()]:
            if opened.scope is not None:
                opened.scope.cancel("GeneratorExit")
        _pending.clear()
        _begun.clear()
