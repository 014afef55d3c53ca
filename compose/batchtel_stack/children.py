"""Start programs so that none of them outlives its parent."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG: Final = 1


def start(
    command: Sequence[str | Path],
    *,
    output: IO[bytes],
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    tied: bool = True,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that Ctrl-C at the terminal reaches only its parent.

    Args:
        command: the program and its arguments.
        output: file for stdout and stderr.
        folder: working directory; the current one when None.
        environment: the whole environment; the current one when None.
        tied: let the kernel kill it when the thread that started it ends, however that happens (SIGKILL included).
    """
    child: subprocess.Popen[bytes] | None = None
    try:
        with _signals_delayed():
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environment,
                start_new_session=True,
                preexec_fn=functools.partial(tie, os.getpid()) if tied else None,
            )
    except BaseException:
        if child is not None:
            kill_group(child.pid, signal.SIGKILL)
            child.wait()
        raise
    return child


@contextlib.contextmanager
def _signals_delayed() -> Iterator[None]:
    """Delay Ctrl-C and SIGTERM until the end of the block.

    Python drops a KeyboardInterrupt that arrives in its hooks around a fork (measured: 3 of 300), and one that arrives
    later in Popen leaves a child without a Popen object.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread runs handlers
        return
    arrived: list[int] = []
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda number, frame: arrived.append(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for late in arrived:
            signal.raise_signal(late)


def tie(parent: int) -> None:
    """Ask the kernel to kill this process, just forked by `parent`, when the thread that forked it ends.

    A fork does not inherit this: a process that forks again has to tie each child itself.
    """
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have ended between fork and prctl; then no signal would be sent.
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def kill_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to the process group that `start` made for `pid`; it may have ended already."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)
