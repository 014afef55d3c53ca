"""Whether the limit of address space (`ulimit -v`) leaves room for the libraries of telemetry."""

from __future__ import annotations

import resource
from typing import Final

from batchtel.base import pristine

HEADROOM: Final = 96 << 20
"""Bytes of address space that building the telemetry has to find.

With less, C code of protobuf reads a null pointer where it has got no memory: at a limit of 100 MiB a command could end
by SIGSEGV (tests/instrumentation/ways_in/test_shortage.py).
"""


def is_short() -> bool:
    """Return whether less than `HEADROOM` is left; False where there is no limit, or no /proc."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return False
    try:
        with pristine.open("/proc/self/statm", "rb") as file:
            pages = int(file.read().split()[0])
    except (OSError, ValueError):
        return False
    return limit - pages * resource.getpagesize() < HEADROOM
