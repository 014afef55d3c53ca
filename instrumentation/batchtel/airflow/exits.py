"""The exit of another process that is not a child of this one, by its descriptor and what the kernel reports.

Linux reports the exit code of a process by its descriptor from 6.15 on: PIDFD_GET_INFO of linux/pidfd.h.
"""

from __future__ import annotations

import fcntl
import functools
import os
import select
import struct
import time
from typing import Final

_GET_INFO: Final = 3 << 30 | 64 << 16 | 0xFF << 8 | 11
_EXIT: Final = 1 << 3
_EXIT_CODE_AT: Final = 60

REAPED_WITHIN: Final = 5.0
"""Seconds that the supervisor of a process may need to collect it, before which the kernel keeps its exit code."""


def of_this_process() -> int:
    """Return a descriptor of this process, of a number that a shell leaves alone; -1 where there is no such thing."""
    try:
        descriptor = os.pidfd_open(os.getpid())
    except (OSError, AttributeError):
        return -1
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    finally:
        os.close(descriptor)


@functools.cache
def can_be_read() -> bool:
    """Return whether the kernel reports exit codes."""
    release = os.uname().release.split(".")
    try:
        return (int(release[0]), int(release[1])) >= (6, 15)
    except (ValueError, IndexError):
        return False


def wait(descriptor: int) -> tuple[bool, int | None]:
    """Wait for the end of a process; return whether it had not ended yet, and its exit code.

    That is below 0 for a signal, as of `subprocess`, and None where it cannot be read.
    """
    if descriptor < 0:
        return False, None
    ending = select.poll()
    ending.register(descriptor, select.POLLIN)
    # The files of a process are closed a moment before its end.
    waited = not ending.poll(1000)
    if waited:
        ending.poll()
    until = time.monotonic() + REAPED_WITHIN
    while can_be_read() and time.monotonic() < until:
        info = bytearray(64)
        struct.pack_into("=Q", info, 0, _EXIT)
        try:
            fcntl.ioctl(descriptor, _GET_INFO, info)
        except OSError:
            pass
        else:
            (mask,) = struct.unpack_from("=Q", info, 0)
            if mask & _EXIT:
                return waited, os.waitstatus_to_exitcode(struct.unpack_from("=i", info, _EXIT_CODE_AT)[0])
        time.sleep(0.05)
    return waited, None


def is_alive(process: int) -> bool:
    """Return whether a process is there and has not ended."""
    try:
        with open(f"/proc/{process}/status", encoding="utf-8", errors="replace") as status:
            states = [line.split()[1] for line in status if line.startswith("State:")]
    except (OSError, IndexError):
        return False
    return states[:1] not in (["Z"], ["X"])
