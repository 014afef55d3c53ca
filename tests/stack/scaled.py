"""Alert rules in which time passes faster: hours are minutes, and everything else is as it was."""

from __future__ import annotations

import re
from typing import Final

import yaml

_QUOTED: Final = re.compile(r'("(?:\\.|[^"\\])*")')
_DURATION: Final = re.compile(r"\b(\d+)(s|m|h|d)\b")
_SECONDS: Final = re.compile(r"(?<![\w.])([6-9]\d|\d{3,})(?![\w.])")
"""A plain number of 60 or more. In the rules that is always a number of seconds; shares and counts are smaller."""

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def rules(text: str, factor: int) -> str:
    """Return a rule file with every window, offset, wait and limit of seconds divided by `factor`."""
    document = yaml.safe_load(text)
    for rule in (rule for group in document["groups"] for rule in group["rules"]):
        rule["expr"] = expression(rule["expr"], factor)
        for key in ("for", "keep_firing_for"):
            if key in rule:
                rule[key] = _durations(rule[key], factor)
    return yaml.safe_dump(document, sort_keys=False, width=1000)


def expression(promql: str, factor: int) -> str:
    """Return PromQL with its windows, offsets and limits of seconds divided by `factor`; texts in quotes stay."""
    parts = _QUOTED.split(promql)
    return "".join(part if part.startswith('"') else _durations(_limits(part, factor), factor) for part in parts)


def _durations(text: str, factor: int) -> str:
    return _DURATION.sub(lambda found: f"{int(found[1]) * _UNITS[found[2]] * 1000 // factor}ms", text)


def _limits(text: str, factor: int) -> str:
    return _SECONDS.sub(lambda found: f"{int(found[1]) / factor:g}", text)
