"""Work that a function has returned before it is done: a coroutine, a task, a generator.

Nothing about a plain decorator, a callable object or a partial shows what the call will return. So the result is looked
at: the run or step stays open until that has ended, and is the current one only while it runs.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import types
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from batchtel.base.guard import harmless
from batchtel.base.outcome import Outcome
from batchtel.base.process_exit import at_end

if TYPE_CHECKING:
    from batchtel.runs.opening import Opened

_pending: dict[int, Opened[Any]] = {}
_process = 0


def is_awaited(result: object) -> bool:
    """Whether `result` is a coroutine, or a future or task of asyncio."""
    return isinstance(result, Coroutine) or is_future(result)


def is_future(result: object) -> bool:
    """Whether `result` is a future or task of asyncio, which is imported by the job or not at all."""
    asyncio = sys.modules.get("asyncio.futures")
    return asyncio is not None and bool(asyncio.isfuture(result))


@harmless(None)
def hold(opened: Opened[Any], result: Any) -> Any:
    """Return what stands for `result` and ends `opened` when that has ended; None if `result` is no unfinished work."""
    if is_future(result):
        _keep(opened)
        result.add_done_callback(functools.partial(_done, opened))
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
    weakref.finalize(standing_in, _abandon, opened).atexit = False
    return standing_in


def _relay(result: object) -> Callable[[Opened[Any], Any], Any] | None:
    if isinstance(result, Coroutine):
        return _coroutine
    if inspect.isgenerator(result):
        # An awaitable one, made by types.coroutine, stays that.
        awaitable = result.gi_code.co_flags & inspect.CO_ITERABLE_COROUTINE
        return types.coroutine(_generator) if awaitable else _generator
    return _async_generator if inspect.isasyncgen(result) else None


async def _coroutine(opened: Opened[Any], work: Coroutine[Any, Any, Any]) -> Any:
    with _resumed(opened):
        return await work


def _generator(opened: Opened[Any], work: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    with _resumed(opened):
        return (yield from work)


def _async_generator(opened: Opened[Any], work: AsyncGenerator[Any, Any]) -> AsyncGenerator[Any, Any]:
    return relaying(lambda: _resumed(opened), lambda: work)()


def relaying(
    scope: Callable[[], AbstractContextManager[Any]], function: Callable[..., AsyncGenerator[Any, Any]]
) -> Callable[..., AsyncGenerator[Any, Any]]:
    """Return an asynchronous generator function that runs `function` within `scope`.

    It does what `yield from` does for generators, and has no counterpart here.
    """

    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        with scope():
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


def _resumed(opened: Opened[Any]) -> Opened[Any]:
    _pending.pop(id(opened), None)
    opened.resume()
    return opened


@harmless(None)
def _done(opened: Opened[Any], future: Any) -> None:
    _pending.pop(id(opened), None)
    if future.cancelled():
        opened.scope.close(Outcome("cancelled", reason="CancelledError"))
    else:
        # Not exception(), which would keep asyncio from its message about an exception that was never retrieved.
        opened.scope.end(future._exception)


@harmless(None)
def _abandon(opened: Opened[Any]) -> None:
    if _pending.pop(id(opened), None) is not None:
        opened.scope.close(Outcome("cancelled", reason="GeneratorExit"))


def _keep(opened: Opened[Any]) -> None:
    """Note that `opened` is to be ended at the end of this process, where nothing else has ended it."""
    global _process
    if _process != os.getpid():
        _process = os.getpid()
        _pending.clear()
        at_end(_end_pending, _process)
    _pending[id(opened)] = opened


def _end_pending(process: int) -> None:
    if process == os.getpid():
        for opened in list(_pending.values()):
            _abandon(opened)
