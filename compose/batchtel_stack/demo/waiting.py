"""Wait for a state of another program."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from batchtel.cli.main import Failure

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
    """Look until `reached` says yes of what was seen, and return that.

    Args:
        what: what is waited for, for the error.
        look: reads the state.
        reached: judges it.
        seconds: how long at most.
        pause: seconds between two looks.
        describe: puts the last state into the error.

    Raises:
        Failure: It took longer; says what was seen last (exit code 3).
    """
    deadline = time.monotonic() + seconds
    while not reached(state := look()):
        if time.monotonic() > deadline:
            raise Failure(f"waited {seconds:.0f} s for {what}; last seen: {describe(state)}", 3)
        time.sleep(pause)
    return state
