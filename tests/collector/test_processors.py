"""The collector's own processors, whose tests are in Go."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import batchtel_collector
from batchtel_stack import toolchain

RUN_ROLLUP = Path(batchtel_collector.__file__).parent / "processors" / "runrollup"


@pytest.mark.timeout(900)  # the first time it compiles the collector's libraries
@pytest.mark.parametrize("command", [["vet", "./..."], ["test", "-short", "-count=1", "./..."]])
def test_run_rollup(command: list[str]) -> None:
    """The tests of run_rollup pass, and `go vet` finds nothing."""
    go = toolchain.find(print)
    done = subprocess.run(
        [go, *command], cwd=RUN_ROLLUP, env=toolchain.environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
