"""Debian's Pushgateway: from PATH, else out of Debian's package, unpacked into the user's cache without root."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from batchtel_collector.check import cache
from batchtel_stack.ports import HOST, Ports
from benchmarks.programs import program

PACKAGE: Final = "prometheus-pushgateway"
INSTALL: Final = f"install it (Debian: apt install {PACKAGE}) or update the list of packages (apt update)"


class MissingError(Exception):
    """There is no Pushgateway; the text has the reason and what to do."""


def find() -> Path:
    """Return the executable, fetched from Debian's archive where PATH and the cache have none.

    Raises:
        MissingError: it cannot be fetched.
    """
    installed = shutil.which(PACKAGE)
    own = cache.folder() / "bin" / PACKAGE / PACKAGE
    if installed or own.is_file():
        return Path(installed or own)
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise MissingError(f"there is no {PACKAGE} on PATH and no {tool} to fetch it; {INSTALL}")
    own.parent.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".pushgateway-", dir=own.parent.parent) as parent:
        unpacked = Path(parent) / "unpacked"
        _call(["apt-get", "download", "--quiet", PACKAGE], Path(parent))
        _call(["dpkg-deb", "-x", str(next(Path(parent).glob("*.deb"))), str(unpacked)], Path(parent))
        own.parent.mkdir(exist_ok=True)
        (unpacked / "usr" / "bin" / PACKAGE).rename(own)
    return own


def _call(command: list[str], folder: Path) -> None:
    outcome = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if outcome.returncode != 0:
        raise MissingError(f"`{' '.join(command)}` failed ({outcome.stderr.strip()[-300:]}); {INSTALL}")


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Run a Pushgateway for the length of the block; yields its `host:port`.

    Raises:
        MissingError: there is none.
    """
    address = f"{HOST}:{Ports.free().otlp_http}"
    command: list[str | Path] = [
        find(),
        f"--web.listen-address={address}",
        # Without a file Debian's 1.5.1 panics in its persistence loop.
        f"--persistence.file={folder / 'pushgateway.data'}",
        "--log.level=warn",
    ]
    with program("pushgateway", command, f"http://{address}/-/ready", folder):
        yield address
