"""Functions and other callables that a job or a step decorates: they stay what they are, but for what is recorded."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from batchtel.runs.opening import Opened, relaying


def recorded(function: Callable[..., Any], opened: Callable[[], Opened[Any]]) -> Callable[..., Any]:
    """Return a function of the kind of `function` that runs it within what `opened` returns."""
    import inspect

    if inspect.isasyncgenfunction(function):
        return functools.wraps(function)(relaying(opened, function))
    if inspect.isgeneratorfunction(function):
        return _generator(function, opened)
    if inspect.iscoroutinefunction(function):
        return _coroutine(function, opened)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        opening = opened()
        with opening:
            return opening.until(function(*args, **kwargs))

    return call


def _coroutine(function: Callable[..., Any], opened: Callable[[], Opened[Any]]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        with opened():
            return await function(*args, **kwargs)

    return call


def _generator(function: Callable[..., Any], opened: Callable[[], Opened[Any]]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with opened():
            return (yield from function(*args, **kwargs))

    return call
