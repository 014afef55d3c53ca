"""Wait for a state of another program."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from batchtel_stack.errors import UnavailableError

State = TypeVar("State")


def until(
    what: str,
    look: Callable[[], State],
    reached: Callable[[State], bool],
    seconds: float,
    *,
    pause: float = 0.1,
    describe: Callable[[State], str] = str,
) -> State:
    """Read a state until `reached` is true for it, and return the state.

    Args:
        what: name of the state, for the error.
        look: reads the state.
        reached: whether the state is the wanted one.
        seconds: how long at most.
        pause: seconds between two reads.
        describe: text of the last state, for the error.

    Raises:
        UnavailableError: It lasted longer; the message has the last state.
    """
    deadline = time.monotonic() + seconds
    while not reached(state := look()):
        if time.monotonic() > deadline:
            raise UnavailableError(f"waited {seconds:.0f} s for {what}; last seen: {describe(state)}")
        time.sleep(pause)
    return state
