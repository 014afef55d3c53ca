"""What `job` and `step` return: something to be opened, as a context manager or as a decorator, sync and async."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar, cast

from batchtel.base.guard import harmless
from batchtel.base.ignoring import IGNORING
from batchtel.base.values import text_of
from batchtel.runs.decorated import recorded
from batchtel.runs.opening import Held, Opened

Function = TypeVar("Function", bound=Callable[..., Any])


class Definition(ABC, Generic[Held]):
    """Something that can be opened any number of times, also at the same time; each opening has its own state."""

    def __init__(self, name: str) -> None:
        self._name = text_of(name)
        self._left_over: list[Opened[Held]] = []

    @abstractmethod
    def _open(self) -> Opened[Held]: ...

    @abstractmethod
    def _unrecorded(self) -> Opened[Held]: ...

    def _opened(self) -> Opened[Held]:
        return self._try_to_open() or self._try_without_record() or Opened(cast("Held", IGNORING), None)

    @harmless(None)
    def _try_to_open(self) -> Opened[Held]:
        return self._open()

    @harmless(None)
    def _try_without_record(self) -> Opened[Held]:
        return self._unrecorded()

    def __enter__(self) -> Held:
        opened = self._opened()
        self._left_over.append(opened)
        _stack.set((*_stack.get(), (self, opened)))
        return opened.handle

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pop_opening().__exit__(kind, exception, trace)

    async def __aenter__(self) -> Held:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, exception, trace)

    def _pop_opening(self) -> Opened[Held]:
        """Find the opening that this `with` block made: the last one of this context."""
        stack = _stack.get()
        for position in range(len(stack) - 1, -1, -1):
            definition, opened = stack[position]
            if definition is self and opened in self._left_over:
                _stack.set(stack[:position] + stack[position + 1 :])
                self._left_over.remove(opened)
                return opened
        # A generator that is closed in another context than it was started in has only this list.
        return self._left_over.pop() if self._left_over else Opened(cast("Held", IGNORING), None)

    def __call__(self, function: Function) -> Function:
        """Decorate a function, coroutine function, generator function or asynchronous generator function.

        Of any other callable the run or step ends when what the call returns has ended, be it a coroutine, a task or a
        generator.
        """
        if isinstance(function, (classmethod, staticmethod)):
            return cast("Function", type(function)(self(function.__func__)))
        if not self._name:
            return self._named(_name_of(function))(function)
        return cast("Function", recorded(function, self._opened, self))

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_left_over": []}

    @abstractmethod
    def _named(self, name: str) -> Self: ...


def _name_of(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", None) or type(function).__name__)


_stack: Final[ContextVar[tuple[tuple[Definition[Any], Opened[Any]], ...]]] = ContextVar("batchtel_stack", default=())
