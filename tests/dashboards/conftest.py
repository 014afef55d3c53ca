"""The real promtool."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from batchtel_stack import binaries


@pytest.fixture(scope="session")
def promtool() -> Path:
    """BATCHTEL_TEST_PROMTOOL, or the one in the cache."""
    named = os.environ.get("BATCHTEL_TEST_PROMTOOL")
    return Path(named) if named else binaries.find("promtool")
