"""What a signal handler of the job raises while batchtel works is raised in the job."""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable, Iterator
from types import FrameType

import pytest

from batchtel.base.calls import public
from batchtel.base.guard import harmless


class Limit(Exception):  # noqa: N818  # a job's own
    """The time limit of a job."""


def limit(number: int, frame: FrameType | None) -> None:
    """Raise it."""
    raise Limit


class Limiter:
    """Raises it, too."""

    def method(self, number: int, frame: FrameType | None) -> None:
        """Raise it."""
        raise Limit

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Raise it."""
        raise Limit


HANDLERS: dict[str, Callable[[int, FrameType | None], None]] = {
    "function": limit,
    "method": Limiter().method,
    "object": Limiter(),
    "partial": functools.partial(limit),
}


@pytest.fixture(params=HANDLERS)
def handler(request: pytest.FixtureRequest) -> Iterator[None]:
    """A handler of SIGUSR1 that raises."""
    before = signal.signal(signal.SIGUSR1, HANDLERS[request.param])
    yield
    signal.signal(signal.SIGUSR1, before)


def _plain() -> None:
    signal.raise_signal(signal.SIGUSR1)


def _wrapped() -> None:
    try:
        _plain()
    except Exception as error:
        raise ValueError("a program does not answer") from error


def _within_another_guard() -> None:
    harmless(None)(_wrapped)()


def _in_its_handling() -> None:
    try:
        _plain()
    except Exception:
        raise ValueError("something else")  # noqa: B904  # as a library may do


@pytest.mark.usefixtures("handler")
@pytest.mark.parametrize("guarded", [harmless(None), public(None, call="work()")], ids=["harmless", "public"])
@pytest.mark.parametrize("work", [_plain, _wrapped, _within_another_guard, _in_its_handling])
def test_it_is_raised(guarded: Callable[[Callable[[], None]], Callable[[], None]], work: Callable[[], None]) -> None:
    """Whatever has caught it on its way."""
    with pytest.raises(Limit):
        guarded(work)()


def _fails() -> None:
    raise ValueError("a defect")


@pytest.mark.usefixtures("handler")
@pytest.mark.parametrize("guarded", [harmless(None), public(None, call="work()")], ids=["harmless", "public"])
def test_a_failure_of_ours_is_not(guarded: Callable[[Callable[[], None]], Callable[[], None]]) -> None:
    """Also while the job handles what its handler has raised before."""
    guarded(_fails)()
    try:
        _plain()
    except Limit:
        guarded(_fails)()
