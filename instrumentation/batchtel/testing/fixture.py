"""The pytest fixture `captured`; `pytest_plugins = ["batchtel.testing.fixture"]` in a conftest.py brings it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from batchtel.testing import Captured, capture


@pytest.fixture
def captured() -> Iterator[Captured]:
    """What the jobs of this test have sent, instead of sending it."""
    with capture() as everything:
        yield everything
