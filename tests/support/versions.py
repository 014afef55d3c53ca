"""The job side's tests on every Python of this machine, with the oldest and the locked OpenTelemetry.

    python -m tests.support.versions            every pair but the one that `make test` runs
    python -m tests.support.versions --corner   the oldest and the newest of each, as far as `make test` lacks them
    python -m tests.support.versions --corner --sample   the same with the tests that depend on a version most

A Python that is missing is named. The exit code is 1 if a test fails.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Final

from tests.support.interpreters import VERSIONS, find

_ROOT = Path(__file__).parent.parent.parent
_ENVIRONMENTS = _ROOT / ".bootstrap" / "versions"
_UV = os.environ.get("UV", "uv")

OLDEST: Final = "oldest"
LOCKED: Final = "locked"

NEXT: Final = "3.14"
"""The Python that is tested where it is, and not yet promised."""

TESTS: Final = "tests/instrumentation"

SAMPLE: Final = (
    # private names of OpenTelemetry, and what it makes of spans, metrics, log records and replies
    "test_sdk_internals.py",
    "test_data.py",
    "test_events.py",
    "test_job_record.py",
    "test_logs.py",
    "test_metrics.py",
    "test_protocol.py",
    "test_redaction.py",
    "test_spans.py",
    "delivery/test_http_clients.py",
    "delivery/test_replies.py",
    "delivery/test_replies_grpc.py",
    # imports, forks, exit hooks, signals and sys.monitoring
    "surroundings/test_imports.py",
    "delivery/test_forks.py",
    "delivery/test_interrupted.py",
    "test_exit.py",
    "test_lifecycle.py",
    "test_outcomes.py",
    "test_quiet.py",
    "test_termination.py",
    "ways_in/test_exit_codes.py",
    "ways_in/test_instrumented.py",
    "ways_in/test_signals.py",
    "workers/test_logs.py",
)
"""The test files of `--sample`, in the folder `TESTS`. What runs on every Python in `make test` is not among them."""


def oldest() -> list[str]:
    """Return requirements of the oldest OpenTelemetry that pyproject.toml allows, such as `opentelemetry-sdk==1.40`.

    Raises:
        ValueError: A package of OpenTelemetry has no lower bound.
    """
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = []
    for requirement in project["dependencies"]:
        if requirement.startswith("opentelemetry-"):
            bound = re.fullmatch(r"([a-z-]+)>=([\w.]+),<\d+", requirement)
            if bound is None:
                raise ValueError(f"{requirement!r} in pyproject.toml is not NAME>=VERSION,<VERSION")
            found.append(f"{bound[1]}=={bound[2]}")
    return found


def corner(versions: Sequence[str], here: str) -> list[tuple[str, str]]:
    """Return the fewest pairs that have both ends of both, with Python `here` and the locked OpenTelemetry.

    `versions` are the Pythons that are there, the oldest first.
    """
    ends = {versions[0], versions[-1]} - {here}
    if len(ends) < 2:
        return [(next(iter(ends), here), OLDEST)]
    return [(versions[0], OLDEST), (versions[-1], LOCKED)]


def _environment(python: str, version: str, telemetry: str) -> Path:
    """Install what the lock has for `python`, with `telemetry`, `oldest` or `locked`; return the interpreter."""
    folder = _ENVIRONMENTS / f"{version}-{telemetry}"
    variables = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(folder)}
    subprocess.run(
        [_UV, "sync", "--locked", "--quiet", "--inexact", "--python", python], cwd=_ROOT, env=variables, check=True
    )
    interpreter = folder / "bin" / "python"
    if telemetry == OLDEST:
        subprocess.run([_UV, "pip", "install", "--quiet", "--python", interpreter, *oldest()], cwd=_ROOT, check=True)
    return interpreter


def _passes(python: str, version: str, telemetry: str, tests: Sequence[str]) -> bool:
    sys.stdout.write(f"Python {version}, OpenTelemetry {telemetry}\n")
    sys.stdout.flush()
    interpreter = _environment(python, version, telemetry)
    # Tests that look for `python` or `batchtel` on PATH find those of the environment.
    variables = {**os.environ, "PATH": os.pathsep.join((str(interpreter.parent), os.environ.get("PATH", os.defpath)))}
    workers = str(os.cpu_count() or 1)
    command = [str(interpreter), "-m", "pytest", "-n", workers, "--dist", "loadfile", *tests]
    return subprocess.run(command, cwd=_ROOT, env=variables, check=False).returncode == 0


def main() -> int:
    """Run them; the exit code is 1 if a test fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corner", action="store_true", help="the oldest and the newest of each only")
    parser.add_argument("--sample", action="store_true", help="the tests that depend on a version most")
    asked = parser.parse_args()
    wanted = VERSIONS if asked.corner else (*VERSIONS, NEXT)
    pythons = {version: path for version in wanted if (path := find(version)) is not None}
    missing = "".join(
        f"Python {version} is not on this machine: not tested\n" for version in wanted if version not in pythons
    )
    sys.stdout.write(missing)
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    pythons.setdefault(here, sys.executable)
    pairs = [pair for pair in product(pythons, (OLDEST, LOCKED)) if pair != (here, LOCKED)]
    if asked.corner:
        pairs = corner(list(pythons), here)
    tests = [f"{TESTS}/{name}" for name in SAMPLE] if asked.sample else [TESTS]
    lines, passed = [], []
    for version, telemetry in pairs:
        began = time.monotonic()
        passed.append(_passes(pythons[version], version, telemetry, tests))
        seconds = time.monotonic() - began
        result = "passed" if passed[-1] else "FAILED"
        lines.append(f"Python {version}, OpenTelemetry {telemetry}: {result} in {seconds:.0f} s\n")
    sys.stdout.write(missing + "".join(lines))
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
