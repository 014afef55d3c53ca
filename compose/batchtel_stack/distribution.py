"""Generate the collector's Go module from its manifest.

The module is committed, so that building the collector needs no generator and every dependency is locked. After editing
`builder.yaml` run `python -m batchtel_stack.distribution`; a test compares the two.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml

import batchtel_collector
from batchtel_stack import toolchain
from batchtel_stack.errors import UnavailableError

MANIFEST: Final = Path(batchtel_collector.__file__).parent / "distribution" / "builder.yaml"
MODULE: Final = MANIFEST.parent / "module"
PROCESSORS: Final = MANIFEST.parents[1] / "processors"

_BUILDER: Final = Path(__file__).parent / "go" / "builder"


def generate(folder: Path) -> None:
    """Write the Go module of the manifest into `folder`, which the collector's builder creates when it is missing.

    Needs the Go module proxy unless every module is in Go's cache.

    Raises:
        UnavailableError: there is no Go or the builder failed.
    """
    go = toolchain.find(_notify)
    manifest = yaml.safe_load(MANIFEST.read_text())
    with tempfile.TemporaryDirectory() as scratch:
        # Where the manifest's relative paths to batchtel's own processors lead to them.
        module = Path(scratch) / "distribution" / "module"
        module.parent.mkdir()
        (Path(scratch) / "processors").symlink_to(PROCESSORS)
        manifest["dist"] |= {"output_path": str(module), "go": str(go)}
        moved = Path(scratch) / "builder.yaml"
        moved.write_text(yaml.safe_dump(manifest))
        _run([go, "tool", "builder", "--config", moved, "--skip-compilation"], _BUILDER)
        _run([go, "mod", "tidy"], module)
        shutil.copytree(module, folder, dirs_exist_ok=True)


def _run(command: Sequence[str | Path], folder: Path) -> None:
    outcome = subprocess.run(
        command, cwd=folder, env=toolchain.environment(), capture_output=True, text=True, check=False
    )
    if outcome.returncode != 0:
        arguments = " ".join(map(str, command[1:3]))
        raise UnavailableError(f"`go {arguments}` failed with {MANIFEST}:\n{outcome.stderr.strip()[-2000:]}")


def _notify(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    try:
        generate(MODULE)
    except UnavailableError as error:
        _notify(f"error: {error}")
        sys.exit(3)
