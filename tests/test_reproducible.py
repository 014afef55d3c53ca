"""The same source makes the same bytes, in whichever folder and at whatever time: wheel, sdist and collector.

`make test-reproducible` runs it with an empty cache of Go, so that every package is compiled again, and compared with
the program in the user's cache.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from batchtel_stack import binaries, toolchain
from tests.support.uv import ROOT, uv

COLLECTOR: Final = binaries.COLLECTOR


def _digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir() if file.is_file()}


def _copy_of_checkout(folder: Path) -> Path:
    """Copy the files that git tracks; their times are those of the copy, and only the owner may read them."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
            (folder / name).chmod(0o700 if os.access(ROOT / name, os.X_OK) else 0o600)
    return folder


def _built(source: Path, output: Path) -> dict[str, str]:
    subprocess.run([uv(), "build", "--quiet", "--out-dir", output, source], check=True)
    (output / ".gitignore").unlink()
    return _digests(output)


def test_wheel_and_sdist(tmp_path: Path) -> None:
    """From two copies of the checkout."""
    one = _built(_copy_of_checkout(tmp_path / "one"), tmp_path / "built-one")
    other = _built(_copy_of_checkout(tmp_path / "other" / "place"), tmp_path / "built-other")
    assert len(one) == 2
    assert one == other


@pytest.mark.timeout(3600)
def test_collector(tmp_path: Path) -> None:
    """From two folders, with the flags of `batchtel stack build`; without -trimpath the folder is in the program."""
    built = [_collector(tmp_path / place) for place in ("one", "other/place")]
    assert built[0] == built[1]
    assert str(tmp_path).encode() not in built[0]
    # Compiled at another time; in `make test-reproducible` with nothing of its cache in common.
    program = binaries.find("collector")
    if _go_of(program) == _go_of(toolchain.find(print)):
        assert built[0] == program.read_bytes()


def _go_of(program: Path) -> str:
    """Return the version of Go that has compiled a program."""
    read = subprocess.run([toolchain.find(print), "version", program], capture_output=True, text=True, check=True)
    return read.stdout.split()[-1]


def _collector(place: Path) -> bytes:
    module = place / "distribution" / "module"
    shutil.copytree(COLLECTOR.module, module)
    for own in COLLECTOR.own:
        shutil.copytree(own, place / "processors" / own.name)
    go, tags = toolchain.find(print), ",".join(COLLECTOR.tags)
    command: list[str | Path] = [go, "build", *binaries.FLAGS, f"-tags={tags}", "-o", place / "built", "."]
    subprocess.run(command, cwd=module, env=toolchain.environment(), check=True)
    return (place / "built").read_bytes()
