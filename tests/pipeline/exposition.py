"""Reading the Prometheus text format, and writing what was read as lines that people can compare.

A line is `name{label="value",...} value`, labels sorted by name, without the label `job`'s namespace where asked. All
series of one histogram become one line: `name{...} count=3 sum=12.5 1:2 5:3`, where `bound:n` are the cumulative counts
at which the count changes. A histogram whose bounds are not those of the table of signals has `bounds=[...]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from batchtel.schema import signals

Labels = tuple[tuple[str, str], ...]

_SAMPLE: Final = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$")
_LABEL: Final = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)",?')
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_BOUNDS: Final = {row.prometheus_name: row.bounds for row in signals.METRICS if row.bounds}
_PART: Final = re.compile(r"^(.*)_(bucket|count|sum)$")


@dataclass(frozen=True)
class Sample:
    """One sample: name, labels sorted by name (escaped as in the text format, other controls as `\\x00`), value."""

    name: str
    labels: Labels
    value: float

    def label(self, name: str) -> str:
        """Return a label's value, "" when it is absent."""
        return dict(self.labels).get(name, "")


@dataclass
class _Histogram:
    count: float | None = None
    total: float | None = None
    buckets: dict[float, float] = field(default_factory=dict)


def parse(text: str) -> tuple[list[Sample], dict[str, str]]:
    """Return the samples of a text-format page and the type of each family; ValueError on a line that is neither."""
    samples, types = [], {}
    for line in filter(None, text.split("\n")):
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            types[name] = kind
        elif not line.startswith("#"):
            samples.append(_sample(line))
    return samples, types


def _sample(line: str) -> Sample:
    found = _SAMPLE.match(line)
    if not found:
        raise ValueError(f"not a sample: {line[:300]!r}")
    labels = found[2] or ""
    pairs = _LABEL.findall(labels)
    if _LABEL.sub("", labels):
        raise ValueError(f"not a label set: {labels[:300]!r}")
    shown = ((name, _CONTROL.sub(lambda sign: f"\\x{ord(sign[0]):02x}", value)) for name, value in pairs)
    return Sample(found[1], tuple(sorted(shown)), float(found[3]))


def lines(samples: Iterable[Sample], types: Mapping[str, str]) -> list[str]:
    """Return one line for each series, sorted, all series of one histogram in one line; see the module."""
    plain: list[str] = []
    histograms: dict[tuple[str, Labels], _Histogram] = {}
    for sample in samples:
        part = _PART.match(sample.name)
        if part and types.get(part[1]) == "histogram":
            labels = tuple(pair for pair in sample.labels if pair[0] != "le")
            histogram = histograms.setdefault((part[1], labels), _Histogram())
            if part[2] == "bucket":
                histogram.buckets[float(sample.label("le"))] = sample.value
            elif part[2] == "count":
                histogram.count = sample.value
            else:
                histogram.total = sample.value
        else:
            plain.append(f"{_series(sample.name, sample.labels)} {number(sample.value)}")
    return sorted(
        plain + [f"{_series(name, labels)} {_written(name, one)}" for (name, labels), one in histograms.items()]
    )


def _series(name: str, labels: Labels) -> str:
    return name + "{" + ",".join(f'{key}="{value}"' for key, value in labels) + "}"


def _written(name: str, histogram: _Histogram) -> str:
    parts = [
        f"count={'missing' if histogram.count is None else number(histogram.count)}",
        f"sum={'missing' if histogram.total is None else number(histogram.total)}",
    ]
    bounds = tuple(sorted(histogram.buckets))
    if bounds[:-1] != _BOUNDS.get(name) or bounds[-1:] != (float("inf"),):
        parts.append(f"bounds=[{' '.join(map(number, bounds))}]")
    below = 0.0
    for bound in bounds:
        if histogram.buckets[bound] != below and bound != float("inf"):
            parts.append(f"{number(bound)}:{number(histogram.buckets[bound])}")
        below = histogram.buckets[bound]
    if histogram.buckets.get(float("inf")) != histogram.count:
        parts.append(f"+Inf:{number(below)}")
    return " ".join(parts)


def number(value: float) -> str:
    """Return the shortest text of a number; whole numbers without a point."""
    return str(int(value)) if value == value and abs(value) < 1e15 and value == int(value) else repr(value)


def allowed(actual: Iterable[str], expected: Iterable[str]) -> list[str]:
    """Return `actual`; a value within the range `low..high` that is expected of its series is replaced by the range."""
    ranges = {}
    for line in expected:
        series, _, value = line.rpartition(" ")
        low, dots, high = value.partition("..")
        if dots:
            ranges[series] = (float(low), float(high), line)
    result = []
    for line in actual:
        series, _, value = line.rpartition(" ")
        low_high_line = ranges.get(series)
        if low_high_line and low_high_line[0] <= float(value) <= low_high_line[1]:
            line = low_high_line[2]
        result.append(line)
    return result
