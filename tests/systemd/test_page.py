"""docs/operations/bare-metal.md: each of its commands works, from the installation to the removal."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from batchtel_collector.check import cache
from tests.support.pages import blocks_of
from tests.support.polling import until
from tests.support.uv import ROOT, uv
from tests.systemd.machine import Machine

PAGE: Final = ROOT / "docs" / "operations" / "bare-metal.md"

ONLY_OUTSIDE: Final = "/opt/batchtel/bin/pip "
"""How commands begin that use a package registry; the network of the machine has nothing but loopback."""

EVENTUALLY: Final = re.compile(r"^batchtel runs ")
"""Commands whose result arrives a few seconds after the one before, as the page states."""


def _commands() -> list[str]:
    return [line.removeprefix("$ ") for block in blocks_of(PAGE, "console") for line in block.splitlines()]


@pytest.fixture(scope="module")
def home(debian: Machine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the commands run in, with the wheel and the files of the page, each under its first line."""
    folder = debian.root / "root"
    built = tmp_path_factory.mktemp("wheel")
    subprocess.run([uv(), "build", "--quiet", "--wheel", "--out-dir", built, ROOT], check=True)
    (wheel,) = built.glob("*.whl")
    shutil.copy(wheel, folder)
    for text in (*blocks_of(PAGE, "yaml"), *blocks_of(PAGE, "ini")):
        (folder / text.splitlines()[0].removeprefix("# ")).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.timeout(900)
def test_every_command_works(debian: Machine, home: Path) -> None:
    """In the order of the page; a run is found by its id, and nothing is left at the end."""
    for place in (ROOT, cache.folder()):
        if place.is_relative_to("/tmp"):
            pytest.skip(f"{place} is in /tmp, which is empty on a machine that boots")
    outputs = {}
    for command in _commands():
        outputs[command] = _output(debian, command)
        if command == "systemctl start nightly-dump.service":
            run = debian.property("nightly-dump.service", "InvocationID")
    shown = next(text for command, text in outputs.items() if command.startswith("batchtel runs show"))
    assert run in shown
    assert "success" in shown
    left = debian.output(
        "ls -d /etc/batchtel /opt/batchtel /var/lib/batchtel /usr/local/bin/*batchtel* 2>/dev/null || true"
    )
    assert left == ""


def _output(debian: Machine, command: str) -> str:
    if EVENTUALLY.search(command):
        return until(command, lambda: _of_found(debian, command), 60)
    return debian.output(command, outside=command.startswith(ONLY_OUTSIDE))


def _of_found(debian: Machine, command: str) -> str | None:
    ended = debian.run(command)
    return ended.stdout if ended.returncode == 0 and "nightly_dump" in ended.stdout else None
