"""CPU seconds and peak memory of a run."""

from __future__ import annotations

import resource
from typing import NamedTuple


class Usage(NamedTuple):
    """CPU seconds, user and system, and bytes of memory at the highest, with the children that were waited for."""

    cpu_seconds: float
    peak_memory: int

    @classmethod
    def now(cls) -> Usage:
        """Return what this process has used until now; the peak is that of the process or of its largest child."""
        own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
        return cls(cpu, max(own.ru_maxrss, children.ru_maxrss) * 1024)

    def since(self, before: Usage) -> Usage:
        """Return the CPU seconds since `before`; a peak has no difference and stays."""
        return Usage(max(0.0, self.cpu_seconds - before.cpu_seconds), self.peak_memory)
