"""Prepare the volumes of containers: `python -m batchtel_stack.prepare --owner 10001 FOLDER...`.

A fresh volume, or a folder of a node, belongs to root, and the programs do not run as root. This runs once before they
start, as root with CHOWN and DAC_OVERRIDE alone. It imports the standard library only, so every image with the wheel
has it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from batchtel_stack import queue_files


def main(arguments: Sequence[str]) -> int:
    """Give folders to the user of the programs, set damaged queue files aside, and return the exit code: 0, or 3."""
    parser = argparse.ArgumentParser("python -m batchtel_stack.prepare", description=main.__doc__)
    parser.add_argument("--owner", type=int, required=True, metavar="UID", help="user and group of the programs")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="where a volume is mounted")
    given = parser.parse_args(arguments)
    failed = False
    for folder in given.folders:
        try:
            give(folder, given.owner)
            for queue in (folder, folder / "queue"):
                for found in queue_files.set_aside(queue):
                    sys.stderr.write(f"{queue_files.sentence(found)}\n")
        except OSError as error:
            sys.stderr.write(f"error: cannot prepare {folder}: {error}; it needs root, CHOWN and DAC_OVERRIDE\n")
            failed = True
    return 3 if failed else 0


def give(folder: Path, owner: int) -> None:
    """Make `owner` the user and group of a folder and of everything in it.

    The folder itself is the last, so it shows whether all of it was given: a volume of many files is walked once.

    Raises:
        OSError: a file cannot be given.
    """
    if os.stat(folder).st_uid == owner:
        return
    for parent, folders, files in os.walk(folder, topdown=False):
        for name in (*folders, *files):
            os.chown(os.path.join(parent, name), owner, owner, follow_symlinks=False)
    os.chown(folder, owner, owner)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
