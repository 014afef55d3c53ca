"""Calls of the job to batchtel: whatever they hand over, nothing is raised into the job.

A mistake of the caller is reported as one, with the call that was meant, and what can be used of the arguments is.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from batchtel.base.guard import described, of_job, warn_of_failure, warn_once

if TYPE_CHECKING:
    from inspect import BoundArguments

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Default = TypeVar("Default")


def public(
    default: Default, *, call: str
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result | Default]]:
    """Make a function return `default` where it would raise an Exception; `call` shows how it is meant to be called.

    Of a call whose arguments do not fit, those that do are used. Positional ones are assigned in the order of the
    parameters where all of these have to be named.
    """

    def decorate(function: Callable[Parameters, Result]) -> Callable[Parameters, Result | Default]:
        @functools.wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Result | Default:
            try:
                try:
                    return function(*args, **kwargs)
                except TypeError as error:
                    # Raised within the function it would have a frame more than ours.
                    if error.__traceback__ is None or error.__traceback__.tb_next is not None:
                        raise
                    problem = " ".join(str(error).split()).rpartition(".")[2]
                warn_once(f"call {function.__qualname__}", "%s; write %s", problem, call)
                fitting = _Parameters(function).fitting(args, kwargs)
                return default if fitting is None else function(*fitting.args, **fitting.kwargs)
            except Exception as error:
                if (own := of_job(error, sys._getframe())) is not None:
                    raise own  # noqa: B904  # it was raised before `error`
                warn_of_failure(function.__qualname__, error)
                return default

        return guarded

    return decorate


def lenient(*fallback: Any, call: str) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Make a function that defines something do so whatever it is given; of nothing that fits, with `fallback`."""

    def decorate(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        tried = public(None, call=call)(function)
        plain: Callable[..., Any] = function

        @functools.wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            made = tried(*args, **kwargs)
            return plain(*fallback) if made is None else made

        return guarded

    return decorate


def asked(function: Callable[[], object], what: str) -> object:
    """Return what a function of the job's returns, which was given to `what`; None, reported once, where it fails."""
    try:
        return function()
    except Exception as error:
        warn_once(f"asked {what}", "the function that was given to %s has failed: %s", what, described(error))
        return None


class _Parameters:
    """The parameters of one function, to find the arguments that fit; made for the first call that has others."""

    def __init__(self, function: Callable[..., Any]) -> None:
        import inspect

        self._signature = inspect.signature(function)
        kinds = {name: parameter.kind for name, parameter in self._signature.parameters.items()}
        named = inspect.Parameter.KEYWORD_ONLY
        self._named = [name for name, kind in kinds.items() if kind is named]
        self._by_place = [name for name, kind in kinds.items() if kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
        self._spreads = any(kind is inspect.Parameter.VAR_POSITIONAL for kind in kinds.values())

    def fitting(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> BoundArguments | None:
        """Return those that fit; None where one that is needed is missing."""
        places = self._by_place
        if places in ([], ["self"]) and not self._spreads:
            places = [*places, *self._named]
        given = {**dict(zip(places, args, strict=False))}
        given |= {name: value for name, value in kwargs.items() if name in (*self._by_place, *self._named)}
        try:
            return self._signature.bind(**given)
        except TypeError:
            return None
