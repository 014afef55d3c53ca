"""Functions and other callables that a job or a step decorates: they stay what they are, but for what is recorded."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType
from typing import Any

from batchtel.base.guard import warn_once
from batchtel.base.values import text_of
from batchtel.runs.opening import Opened, begun, relaying


def recorded(function: Any, opened: Callable[[], Opened[Any]], decorate: Callable[[Any], Any]) -> Any:
    """Return what is called instead of `function`, and runs it within what `opened` returns.

    `decorate` is the decorator that asks for it.
    """
    return standing_in(function, _of_its_kind(function, opened), decorate) if is_callable(function) else function


def is_callable(function: Any) -> bool:
    """Whether `function` can be decorated; warn once if it is a class, or nothing that is called.

    A function in place of a class would end `isinstance`, subclasses and its class methods.
    """
    if isinstance(function, type):
        wrong = "a class, which stays as it is: nothing is recorded; decorate a function or a method of it"
    elif not callable(function):
        wrong = "nothing that is called, so it stays as it is; decorate the function in it"
    else:
        return True
    name = text_of(getattr(function, "__qualname__", None) or type(function).__name__)
    warn_once(f"decorated:{name}", "what is decorated, %.60s, is %s", name, wrong)
    return False


def standing_in(function: Any, call: Callable[..., Any], decorate: Callable[[Any], Any]) -> Any:
    """Return what looks and binds like `function`, and calls `call`; what it binds to is decorated by `decorate`."""
    import inspect

    # Before Python 3.12 only a function can be a coroutine function.
    is_function = inspect.iscoroutinefunction(function) and not hasattr(inspect, "markcoroutinefunction")
    if not isinstance(function, FunctionType) and not is_function:
        # Only a function has to become a method in a class: a partial, a builtin or an object of the job's does not.
        return (_BindingObject if hasattr(type(function), "__get__") else _Object)(function, call, decorate)
    functools.update_wrapper(call, function)
    if isinstance(function, FunctionType):
        # Of no effect on a call, all of whose arguments are passed on; for those who look at them.
        call.__defaults__, call.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
    return call


class _Object:
    """Stands for a callable that is no function: its attributes are those of the callable."""

    def __init__(self, function: Any, call: Callable[..., Any], decorate: Callable[[Any], Any]) -> None:
        own = {"__wrapped__": function, "_batchtel_call": call, "_batchtel_decorate": decorate}
        own.update((name, getattr(function, name)) for name in ("__doc__", "__module__") if hasattr(function, name))
        vars(self).update(own)
        import inspect

        if inspect.iscoroutinefunction(function):
            getattr(inspect, "markcoroutinefunction")(self)  # noqa: B009  # of Python 3.12

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return vars(self)["_batchtel_call"](*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(vars(self)["__wrapped__"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(vars(self)["__wrapped__"], name, value)

    def __delattr__(self, name: str) -> None:
        delattr(vars(self)["__wrapped__"], name)

    def __repr__(self) -> str:
        return repr(vars(self)["__wrapped__"])

    def __reduce__(self) -> Any:
        return vars(self)["_batchtel_decorate"], (vars(self)["__wrapped__"],)


class _BindingObject(_Object):
    """The same for one that becomes a method in a class, as a cached function or a method of C code does."""

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        function = vars(self)["__wrapped__"]
        bound = function.__get__(instance, owner)
        return self if bound is function else vars(self)["_batchtel_decorate"](bound)


def _of_its_kind(function: Callable[..., Any], opened: Callable[[], Opened[Any]]) -> Callable[..., Any]:
    import inspect

    if inspect.isasyncgenfunction(function):
        return relaying(opened, function)
    if inspect.isgeneratorfunction(function):
        return _generator(function, opened)
    if inspect.iscoroutinefunction(function):
        return _coroutine(function, opened)

    def call(*args: Any, **kwargs: Any) -> Any:
        opening = opened()
        with opening:
            return opening.until(function(*args, **kwargs))

    return call


def _coroutine(function: Callable[..., Any], opened: Callable[[], Opened[Any]]) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        with opened():
            return await function(*args, **kwargs)

    return call


def _generator(function: Callable[..., Any], opened: Callable[[], Opened[Any]]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        with begun(opened()):
            return (yield from function(*args, **kwargs))

    return call
