"""Treat SIGTERM like Ctrl-C, so that clean-up runs in both cases."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived."""


@contextmanager
def as_interrupt() -> Iterator[None]:
    """Raise `Terminated` in the main thread when SIGTERM arrives inside the block.

    Outside the main thread Python allows no handlers; there the block runs unchanged.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
