"""What a rendered configuration is put into for the platform that runs the collector."""

from __future__ import annotations

from typing import Final

from batchtel_collector.environment import Environment
from batchtel_collector.render import render

FORMATS: Final = ("collector",)
"""The names of the formats."""


def formatted(environment: Environment, form: str) -> str:
    """Return the text of one format."""
    assert form == "collector"
    return render(environment)


def file_name(stem: str, form: str) -> str:
    """Return the name of the file that a format is written to."""
    return f"{stem}.yaml" if form == "collector" else f"{stem}.{form}.yaml"
