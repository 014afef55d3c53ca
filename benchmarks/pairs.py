"""Interleaved measurements: every variant once a round, so that a busy minute of the machine hits all of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence

from benchmarks.spent import Spent

Variants = Mapping[str, Callable[[], Spent]]
"""Name -> run it once."""

Measured = Mapping[str, Sequence[Spent]]
"""Name -> one figure a round, so that equal positions are a pair."""


def interleaved(variants: Variants, rounds: int, progress: Callable[[str], None], warm_up: bool = True) -> Measured:
    """Run all variants `rounds` times, every other round backwards; `warm_up` runs each once before, unmeasured."""
    measured: dict[str, list[Spent]] = {name: [] for name in variants}
    if warm_up:
        for run in variants.values():
            run()
    for number in range(rounds):
        progress(f"round {number + 1} of {rounds}")
        # What runs second finds warmer caches and a collector that still works on what the first one sent.
        for name in list(variants)[:: -1 if number % 2 else 1]:
            measured[name].append(variants[name]())
    return measured


def median(spent: Sequence[Spent], figure: str) -> float:
    """Return the median of one figure: wall, cpu or peak_memory."""
    return statistics.median(float(getattr(one, figure)) for one in spent)


def ratio(ours: Sequence[Spent], theirs: Sequence[Spent], figure: str) -> float:
    """Return the median of the ratios ours / theirs of the pairs, which drifts less than the ratio of the medians."""
    return statistics.median(
        float(getattr(one, figure)) / float(getattr(other, figure)) for one, other in zip(ours, theirs, strict=True)
    )
