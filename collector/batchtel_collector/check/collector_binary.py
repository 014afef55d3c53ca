"""The collector program: where it is, and the validation of a configuration by it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from batchtel_collector.check import cache

NAMES: Final = ("otelcol-batchtel", "otelcol-contrib", "otelcol")
"""Names under which a collector is looked for on PATH, in this order."""

VERSION: Final = "0.159.0"
"""The version that the configurations are made for."""

_NONSENSE: Final = "batchtel_no_such_receiver"

_LONGEST: Final = 60.0


class CollectorUnavailableError(Exception):
    """There is no collector, or it cannot be run; the message has the option that names another one."""


def find() -> Path:
    """Return the collector that `batchtel stack build` has built last, else the first of `NAMES` on PATH.

    Raises CollectorUnavailableError when there is none.
    """
    built = sorted(cache.folder().glob("bin/collector-*/collector"), key=lambda path: path.stat().st_mtime)
    if built:
        return built[-1]
    for name in NAMES:
        found = shutil.which(name)
        if found is not None:
            return Path(found)
    raise CollectorUnavailableError(
        f"no collector found: none built in {cache.folder() / 'bin'}, "
        f"and no {', '.join(NAMES[:-1])} or {NAMES[-1]} on PATH; "
        "build one with `batchtel stack build`, or name one with --collector FILE"
    )


def validation_errors(collector: Path, configuration: Path, variables: Mapping[str, str] | None = None) -> list[str]:
    """Return the lines with which `collector validate` rejects a configuration; none means that it is accepted.

    `variables` are added to the environment of the process. Nothing is opened and nothing is started. Raises
    CollectorUnavailableError when the program cannot be run.
    """
    finished = _run(collector, "validate", "--config", str(configuration), variables=variables)
    if finished.returncode == 0:
        return []
    lines = [line.strip() for line in finished.stderr.splitlines() if line.strip()]
    return lines or [f"exit code {finished.returncode} without a message"]


def require(collector: Path) -> None:
    """Do nothing when the program validates configurations as a collector does.

    A program that always ends with 0 accepts all of them, so it has to reject an invalid one. Raises
    CollectorUnavailableError otherwise.
    """
    with tempfile.TemporaryDirectory(prefix="batchtel-check-") as folder:
        nonsense = Path(folder) / "nonsense.yaml"
        nonsense.write_text(f"receivers: {{{_NONSENSE}: {{}}}}\n", encoding="utf-8")
        errors = validation_errors(collector, nonsense)
    if not any(_NONSENSE in line for line in errors):
        answer = f"answers {errors[0]!r} to" if errors else "accepts"
        raise CollectorUnavailableError(
            f"{collector} {answer} a configuration that every collector rejects, so its other answers have no "
            "meaning; name a collector with --collector FILE"
        )


def version(collector: Path) -> str:
    """Return the version that the program reports, for example `otelcol-contrib version 0.159.0`."""
    return _run(collector, "--version").stdout.strip() or "of unknown version"


def _run(
    collector: Path, *arguments: str, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [collector, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LONGEST,
            check=False,
            env={**os.environ, **(variables or {})},
        )
    except subprocess.TimeoutExpired:
        raise CollectorUnavailableError(
            f"{collector} {arguments[0]} did not exit within {_LONGEST:.0f} s; is it a collector?"
        ) from None
    except OSError as error:
        raise CollectorUnavailableError(
            f"cannot run the collector {collector}: {error.strerror}; name another one with --collector FILE"
        ) from None
