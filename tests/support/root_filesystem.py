"""Stand-ins of public base images, where none can be pulled: tar files of this machine's own programs."""

from __future__ import annotations

import io
import os
import re
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

APPLETS: Final = (
    "sh",
    "env",
    "ls",
    "cat",
    "mkdir",
    "rm",
    "cp",
    "chmod",
    "sleep",
    "wget",
    "touch",
    "id",
    "true",
    "false",
)
"""The commands of busybox that images based on it or on Debian have, too."""

_SKIPPED: Final = {"__pycache__", "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip"}
"""Of the standard library and of pip: what no program imports."""

_DEBIAN: Final = Path("/lib/x86_64-linux-gnu")
_OF_DEBIAN: Final = (
    *("libgcc_s.so.1", "libstdc++.so.6", "librt.so.1", "libdl.so.2", "libpthread.so.0", "libm.so.6", "libutil.so.1"),
    *("libresolv.so.2", "libnss_dns.so.2", "libnss_files.so.2"),
)
"""Libraries that packages from the index may need, and that every Debian has."""

_PIP: Final = "#!/usr/local/bin/python\nimport sys\nfrom pip._internal.cli.main import main\nsys.exit(main())\n"


def python(archive: Path, interpreter: Path, busybox: Path) -> None:
    """Write the files of `python:3-slim`: an interpreter below /usr/local, its libraries, a shell, certificates.

    Args:
        archive: the tar file.
        interpreter: a Python that is not in a virtual environment.
        busybox: a static busybox.
    """
    prefix, version = _asked(interpreter)
    library = Path(prefix) / "lib" / f"python{version}"
    with tarfile.open(archive, "w") as tar:
        shell(tar, busybox)
        _add(tar, Path(prefix) / "bin" / f"python{version}", f"usr/local/bin/python{version}")
        for name in ("python", "python3"):
            _link(tar, f"usr/local/bin/{name}", f"python{version}")
        _text(tar, "usr/local/bin/pip", _PIP, 0o755)
        tar.add(library, f"usr/local/lib/python{version}", filter=_kept)
        extensions = (library / "lib-dynload").glob("*.so")
        libraries = _libraries([Path(prefix) / "bin" / f"python{version}", *extensions])
        for name, found in (libraries | {name: _DEBIAN / name for name in _OF_DEBIAN}).items():
            # The loader of Debian looks there, wherever they were built; the loader itself is in /lib64.
            _add(tar, found, f"lib64/{name}" if name.startswith("ld-") else f"{_DEBIAN}/{name}".lstrip("/"))
        _add(tar, Path("/etc/ssl/certs/ca-certificates.crt"), "etc/ssl/certs/ca-certificates.crt")


def shell(tar: tarfile.TarFile, busybox: Path) -> None:
    """Add a shell with the usual commands, users, and folders for temporary files."""
    _add(tar, busybox, "bin/busybox")
    for name in APPLETS:
        _link(tar, f"bin/{name}", "busybox")
    _link(tar, "usr/bin/env", "/bin/busybox")
    _text(tar, "etc/passwd", "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n", 0o644)
    _text(tar, "etc/group", "root:x:0:\nnobody:x:65534:\n", 0o644)
    for folder, mode in (("tmp", 0o1777), ("root", 0o700), ("home", 0o755)):
        entry = tarfile.TarInfo(folder)
        entry.type, entry.mode = tarfile.DIRTYPE, mode
        tar.addfile(entry)


def _asked(interpreter: Path) -> tuple[str, str]:
    code = "import sys; print(sys.base_prefix, '%d.%d' % sys.version_info[:2])"
    prefix, version = subprocess.run(
        [interpreter, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    return prefix, version


def _libraries(programs: Iterable[Path]) -> dict[str, Path]:
    """Return each shared library that is needed: its name, and where the loader finds it here."""
    found: dict[str, Path] = {}
    for program in programs:
        output = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
        found |= {Path(path).name: Path(path) for path in re.findall(r"(?:=> |^\t)(/\S+)", output, re.MULTILINE)}
    return dict(sorted(found.items()))


def _kept(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    _, _, _, _, *inside = Path(entry.name).parts
    # Of the packages that were installed on this machine only pip is part of the image.
    of_another = inside[:1] == ["site-packages"] and inside[1:2] not in ([], ["pip"])
    return None if of_another or set(inside) & _SKIPPED or entry.name.endswith((".a", ".pyc")) else _of_root(entry)


def _of_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def _add(tar: tarfile.TarFile, path: Path, inside: str) -> None:
    tar.add(os.path.realpath(path), inside, filter=_of_root)


def _link(tar: tarfile.TarFile, inside: str, target: str) -> None:
    entry = tarfile.TarInfo(inside)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    tar.addfile(entry)


def _text(tar: tarfile.TarFile, inside: str, text: str, mode: int) -> None:
    entry = tarfile.TarInfo(inside)
    entry.size, entry.mode = len(text.encode()), mode
    tar.addfile(entry, io.BytesIO(text.encode()))
