"""What one process has used, from its start to its end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from batchtel.cli.main import Failure

SCRIPTS: Final = Path(__file__).parent / "scripts"
"""Folder of the jobs that are measured."""

_LAUNCHER: Final = Path(__file__).parent / "launcher.py"
_LONGEST: Final = 300.0
_FOREIGN: Final = ("OTEL_", "BATCHTEL_", "PYTHON", "TRACEPARENT", "TRACESTATE", "BAGGAGE")


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds from start to end, CPU seconds (user and system), and bytes of memory at the highest."""

    wall: float
    cpu: float
    peak_memory: int


def python(*arguments: str | Path, variables: Mapping[str, str], may_complain: bool = False) -> Spent:
    """Run this Python with `arguments`, in an environment with nothing of OpenTelemetry's but `variables`.

    Raises:
        Failure: it failed or, unless it `may_complain`, printed something: then it did not do what is measured.
    """
    return _run([sys.executable, *map(str, arguments)], _environment(variables), may_complain)


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)} | dict(variables)


def _run(command: Sequence[str], environment: Mapping[str, str], may_complain: bool) -> Spent:
    try:
        finished = subprocess.run(
            [sys.executable, "-I", "-S", _LAUNCHER, *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Failure(f"`{' '.join(command)}` had not ended after {_LONGEST:.0f} s", 3) from None
    if finished.returncode != 0:
        raise Failure(f"`{' '.join(command)}` cannot be started:\n{finished.stderr.strip()}", 3)
    wall, cpu, peak_memory, code = finished.stdout.split()
    if code != "0" or (finished.stderr and not may_complain):
        raise Failure(f"`{' '.join(command)}` ended with {code}; it printed:\n{finished.stderr.strip()[-2000:]}", 3)
    return Spent(float(wall), float(cpu), int(peak_memory))
