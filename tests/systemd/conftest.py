"""Fixtures of the tests with a real systemd."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.systemd import machine


@pytest.fixture(scope="module")
def debian() -> Iterator[machine.Machine]:
    """A machine with a real systemd, for one module; skipped where this machine cannot run one."""
    if reason := machine.missing():
        pytest.skip(f"a systemd of its own {reason}")
    with machine.started() as found:
        yield found
