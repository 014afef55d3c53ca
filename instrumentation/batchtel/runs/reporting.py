"""What one process reports of a run or a step: all of it, or a part where another process reports the rest."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple


class Reporting(NamedTuple):
    """What this process reports of a run or a step."""

    start: bool = True
    """Whether that it starts: the event, the counter, the states, and its counters from 0."""

    end: Literal["whole", "part", "part_if_any"] = "whole"
    """`whole` is its duration, outcome, span and event; `part` the event of what this process has recorded.

    `part_if_any` is the same where this process has recorded anything that no other one reports.
    """

    shares_counts: bool = False
    """Whether another process reports the counts of records of this one."""

    is_here: bool = True
    """Whether its code runs in this process, whose CPU time, memory, progress and records are its own."""

    heartbeat: bool = True
    """Whether that it is alive."""

    limits: bool = True
    """Whether which limits of time it passes."""

    span: Literal["own", "around", "elsewhere"] = "own"
    """`own` is made here. `around` is the span of the caller's trace context, `elsewhere` one of preset ids."""

    flush: Literal["end", "soon", "none"] = "end"
    """How its data is sent when it ends: waited for, within a moment, or by somebody else."""


WHOLE: Final = Reporting()
"""All of a run or a step that begins and ends in this process."""

PART: Final = Reporting(start=False, end="part", heartbeat=False, span="around")
"""The part of one process in a run that another process has opened."""
