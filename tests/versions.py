"""The job side's tests on every Python of this machine, with the oldest and the locked OpenTelemetry.

    python -m tests.versions            every pair but the one that `make test` runs
    python -m tests.versions --corner   the newest Python with the oldest OpenTelemetry

Together with `make test`, the oldest Python with the locked OpenTelemetry, the corner covers both ends of both.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tomllib
from itertools import product
from pathlib import Path

from tests.support.interpreters import VERSIONS, find

_ROOT = Path(__file__).parent.parent
_ENVIRONMENTS = _ROOT / ".bootstrap" / "versions"
_UV = os.environ.get("UV", "uv")


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


def _environment(python: str, version: str, telemetry: str) -> Path:
    """Install what the lock has for `python`, with `telemetry`, `oldest` or `locked`; return the interpreter."""
    folder = _ENVIRONMENTS / f"{version}-{telemetry}"
    variables = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(folder)}
    subprocess.run(
        [_UV, "sync", "--locked", "--quiet", "--inexact", "--python", python], cwd=_ROOT, env=variables, check=True
    )
    interpreter = folder / "bin" / "python"
    if telemetry == "oldest":
        subprocess.run([_UV, "pip", "install", "--quiet", "--python", interpreter, *oldest()], cwd=_ROOT, check=True)
    return interpreter


def _passes(python: str, version: str, telemetry: str) -> bool:
    sys.stdout.write(f"Python {version}, OpenTelemetry {telemetry}\n")
    sys.stdout.flush()
    interpreter = _environment(python, version, telemetry)
    # Tests that look for `python` or `batchtel` on PATH find those of the environment.
    variables = {**os.environ, "PATH": os.pathsep.join((str(interpreter.parent), os.environ.get("PATH", os.defpath)))}
    command = [
        str(interpreter),
        "-m",
        "pytest",
        "-n",
        str(os.cpu_count() or 1),
        "--dist",
        "loadfile",
        "tests/instrumentation",
    ]
    return subprocess.run(command, cwd=_ROOT, env=variables, check=False).returncode == 0


def main() -> int:
    """Run them; the exit code is 1 if a test fails or no Python beside this one is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corner", action="store_true", help="one pair only")
    asked = parser.parse_args()
    pythons = {version: path for version in VERSIONS if (path := find(version)) is not None}
    for version in VERSIONS:
        if version not in pythons:
            sys.stdout.write(f"Python {version} is not on this machine: not tested\n")
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    pairs = [pair for pair in product(pythons, ("oldest", "locked")) if pair != (here, "locked")]
    if asked.corner:
        pairs = [(list(pythons)[-1], "oldest")]
    results = {pair: _passes(pythons[pair[0]], *pair) for pair in pairs}
    for (version, telemetry), passed in results.items():
        sys.stdout.write(f"Python {version}, OpenTelemetry {telemetry}: {'passed' if passed else 'FAILED'}\n")
    return 0 if all(results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
