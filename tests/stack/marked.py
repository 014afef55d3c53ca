"""Find every process that a test has started, however far down, by a variable in its environment."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.support.polling import until

VARIABLE: Final = "DEMO_TEST_MARK"


class Marked:
    """Starts `batchtel` commands in `folder` whose processes carry a mark of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the commands: temporary files within the folder, and the mark."""
        return os.environ | {VARIABLE: self.mark, "TMPDIR": str(self.folder), "COLUMNS": "80"}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `batchtel` with arguments; its output is piped."""
        return subprocess.Popen(
            [sys.executable, "-c", "from batchtel.cli.main import main; main()", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `batchtel` with arguments to its end."""
        demo = self.start(*arguments)
        stdout, stderr = demo.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, demo.returncode, stdout, stderr)

    def left(self) -> Mapping[int, str]:
        """Return the command lines of the processes that carry the mark, by process id."""
        wanted = f"{VARIABLE}={self.mark}".encode()
        found = {}
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue  # gone meanwhile
        return found

    def wait_until_none_is_left(self, seconds: float) -> None:
        """Return when no marked process is left; TimeoutError names the others."""
        until("the end of every process", lambda: None if self.left() else True, seconds, lambda: str(self.left()))
