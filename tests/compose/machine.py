"""What runs on this machine, and commands as a user types them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from batchtel_stack.ports import Ports

COMMAND = [sys.executable, "-c", "from batchtel.cli.main import main; main()"]


def options(ports: Ports) -> list[str]:
    """Return the ports as options of `batchtel stack up`."""
    return [part for name in Ports.names() for part in ("--port", f"{name}={getattr(ports, name)}")]


def processes(folder: Path) -> dict[int, str]:
    """Return pid -> command line of every other process with `folder` in its command line; zombies have none."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode() if entry.name.isdigit() else ""
        except OSError:
            continue
        if str(folder) in line and int(entry.name) != os.getpid():
            found[int(entry.name)] = line
    return found


def plain() -> dict[str, str]:
    """Return an environment in which output is plain text of a fixed width."""
    return os.environ | {"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"}
