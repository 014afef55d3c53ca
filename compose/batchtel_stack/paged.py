"""Go modules whose release lacks the web pages that it embeds: a copy with pages, which is built instead.

`go build -overlay` cannot add them: it refuses files below Go's cache of modules.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

from batchtel_stack import toolchain
from batchtel_stack.binaries import Binary
from batchtel_stack.errors import UnavailableError


def prepare(binary: Binary, go: Path, folder: Path) -> None:
    """Fill an empty folder with the Go module of a binary, which replaces each module that lacks pages by a full copy.

    Args:
        binary: one with `pages`; its modules are fetched already.
        go: the `go` to ask for them.
        folder: for go.mod, go.sum and the copies.

    Raises:
        UnavailableError: Go does not find a module, or its hash is not the one of go.sum.
    """
    for name in ("go.mod", "go.sum"):
        shutil.copyfile(binary.module / name, folder / name)
    for release in sorted({found[0] for page in binary.pages if (found := re.match(r".+@[^/]+", page))}):
        # The archive rather than the extracted module, whose folders are read-only.
        zipfile.ZipFile(_archive(release, binary, go)).extractall(folder)
        with (folder / "go.mod").open("a") as file:
            file.write(f"\nreplace {release.partition('@')[0]} => ./{release}\n")
    for path, text in binary.pages.items():
        page = folder / path
        page.parent.mkdir(parents=True, exist_ok=True)
        # Only compressed pages are served.
        page.with_name(f"{page.name}.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
        page.with_name(f"{page.name}.br").write_bytes(_brotli(text.encode()))


def _archive(release: str, binary: Binary, go: Path) -> Path:
    command: list[str | Path] = [go, "mod", "download", "-json", release]
    answer = subprocess.run(
        command, cwd=binary.module, env=toolchain.environment(), capture_output=True, text=True, check=False
    )
    found = json.loads(answer.stdout or "{}")
    if answer.returncode != 0:
        why = found.get("Error") or answer.stderr.strip()
        raise UnavailableError(f"{binary.name} {binary.version} cannot be built: {release}: {why}")
    return Path(found["Zip"])


def _brotli(data: bytes) -> bytes:
    """Return up to 64 KiB in the Brotli format, not compressed: RFC 7932, section 9.2."""
    return ((len(data) - 1) << 4 | 1 << 20).to_bytes(3, "little") + data + b"\x03"
