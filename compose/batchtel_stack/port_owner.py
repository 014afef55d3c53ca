"""The process that listens on a port, as far as /proc shows it to the current user."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Final

_LISTENING: Final = "0A"


def of(host: str, port: int) -> str | None:
    """Return `process 4711 (prometheus)` for the listener of a TCP port of an IPv4 `host`, None when /proc hides it."""
    inodes = _inodes(host, port)
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            if any(str(link.readlink()) in inodes for link in (folder / "fd").iterdir()):
                return f"process {folder.name} ({(folder / 'comm').read_text().strip()})"
        except OSError:
            continue  # another user's, or it has ended
    return None


def _inodes(host: str, port: int) -> set[str]:
    (address,) = struct.unpack("=I", socket.inet_aton(host))
    wanted = {f"{address:08X}:{port:04X}", f"00000000:{port:04X}"}
    any6 = f"{'0' * 32}:{port:04X}"
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not Path(table).exists():
            continue
        for line in Path(table).read_text().splitlines()[1:]:
            columns = line.split()
            if columns[3] == _LISTENING and columns[1] in wanted | {any6}:
                found.add(f"socket:[{columns[9]}]")
    return found
