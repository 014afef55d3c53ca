"""The tests that share one Airflow, which ends with the last of them: it would go on beside the next one otherwise."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

import pytest

FIXTURES: Final = ("played", "run", "observed", "programs")
"""Fixtures that start an Airflow, or use its programs, of the version that is their parameter."""

AT_END: Final = ExitStack()
"""What is called after the last test of an Airflow."""


def name_of(item: pytest.Item) -> str:
    """Return a name for the Airflow of a test; a file without parameters has an Airflow of its own."""
    parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    return next((f"{name}-{parameters[name]}" for name in FIXTURES if name in parameters), item.path.stem)
