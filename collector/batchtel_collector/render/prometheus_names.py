"""How Prometheus writes the names and units of metrics, and which parts of a service's name are no part of a label.

The pipeline writes names as the collector's prometheus exporter would, before it aggregates: two metrics that get one
name there are one series, and two that get different names are two.

Source: github.com/prometheus/otlptranslator, v1.0.0.
"""

from __future__ import annotations

import re
from typing import Final

UNITS: Final = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tibibytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "1": "",
    "%": "percent",
}
"""OTLP unit -> what Prometheus appends to a name; any other unit is appended as it is."""

PER_UNITS: Final = {
    "s": "second",
    "m": "minute",
    "h": "hour",
    "d": "day",
    "w": "week",
    "mo": "month",
    "y": "year",
}
"""The same for a unit behind `/`."""

SDK_BOUNDS: Final = (0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000)
"""Bounds of a histogram whose instrument sets none, in every SDK."""

ODD_NAME: Final = r"[^A-Za-z0-9:._/ -]"
"""Regular expression of what Prometheus cannot write and OpenTelemetry does not allow in the name of a metric."""

NAME_LIMIT: Final = 255
"""Longest name of an instrument: opentelemetry.io/docs/specs/otel/metrics/api/#instrument-name-syntax."""

_SEPARATOR: Final = "[^A-Za-z0-9:]"
_TOTALS: Final = f"{_SEPARATOR}*(total{_SEPARATOR}+)*"

_DAY: Final = "(0[1-9]|[12][0-9]|3[01])"
_MONTH: Final = "(0[1-9]|1[0-2])"
_YEAR: Final = "(19|20)[0-9]{2}"
_TIME: Final = "[T_ -]?[0-2][0-9][:h-]?[0-5][0-9]([:m-]?[0-5][0-9]([.,][0-9]+)?)?(Z|[+][0-9]{2}:?[0-9]{2})?"

OURS: Final = '(IsMatch(metric.name, "^batch[.](job|step)[.]") and not HasSuffix(metric.name, ".other_bounds"))'
"""Condition: a metric is of the table of signals, behind filter/kind, which drops every other name like it."""

UNBOUNDED: Final = (
    "[0-9A-Fa-f]{8}-?([0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}",
    f"[0-9]{{8,}}({_TIME})?",
    f"{_YEAR}[-_./]?{_MONTH}([-_./]?{_DAY}({_TIME})?)?",
    f"{_DAY}[-_./]{_MONTH}[-_./]{_YEAR}",
    "[0-9a-f]{12,}",
)
"""Regular expressions of what makes another name of a service for each run: UUIDs, dates with times, long numbers (a
CronJob of Kubernetes appends 8 digits) and ids of containers."""


def spelled_like(name: str) -> str:
    """Return the regular expression of names that Prometheus writes as it writes `name`, of a counter with `_total`."""
    parts = re.findall("[A-Za-z0-9:]+", name)
    if not parts or re.search(ODD_NAME, name):
        return f"^{re.escape(name)}$"
    return f"^{_SEPARATOR}*{f'{_SEPARATOR}+'.join(parts)}({_SEPARATOR}+total)*{_SEPARATOR}*$"


def named_like(*parts: str) -> str:
    """Return the regular expression of names that begin with `parts` as Prometheus writes them, and go on or end.

    Each part is a regular expression itself. The exporter removes `total` from a counter's name wherever it is.
    """
    return "^" + f"{_SEPARATOR}+".join(f"{_TOTALS}{part}" for part in parts) + f"({_SEPARATOR}|$)"
