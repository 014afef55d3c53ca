"""Waiting for a state of another program, described well enough that a timeout explains itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

State = TypeVar("State")


def until(
    what: str, look: Callable[[], State | None], timeout: float, context: Callable[[], str] = lambda: ""
) -> State:
    """Call `look` every 20 ms until it returns something other than None, and return that.

    Args:
        what: what is waited for, as a noun phrase.
        look: returns None while the state is not there; OSErrors count as not there yet.
        timeout: seconds.
        context: text that helps to explain a timeout, such as the last state seen or the end of a log.

    Raises:
        TimeoutError: with `what`, the seconds, the last error and `context()`.
    """
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    last = "none"
    while True:
        try:
            state = look()
        except OSError as error:
            last, state = str(error), None
        if state is not None:
            return state
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout:g} s for {what}; last error: {last}\n{context()}")
        pause.wait(0.02)
