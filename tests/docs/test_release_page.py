"""What docs/release.md names exists; what its commands make is held by tests of their own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from batchtel.version import __version__
from tests.support import sbom

ROOT: Final = Path(__file__).parents[2]

PAGE: Final = (ROOT / "docs" / "release.md").read_text(encoding="utf-8")


def test_every_target_exists() -> None:
    """Each `make TARGET` of the page is one of the Makefile, with a line of help."""
    named = set(re.findall(r"\bmake ([a-z-]+)(?=[`\n])", PAGE))
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"dist", "sbom", "test-reproducible"} <= named
    assert named <= targets


def test_every_command_has_a_test() -> None:
    """Those that are run are targets; the others stand in blocks without a prompt, with the reason before them."""
    commands = re.findall(r"^\$ (.+)$", PAGE, re.MULTILINE)
    assert commands
    assert [command for command in commands if not command.startswith("make ")] == []


def test_each_sbom_is_described() -> None:
    """By the name of its file."""
    described = re.findall(r"^\| `([a-z-]+)-VERSION\.cdx\.json` \|", PAGE, re.MULTILINE)
    assert described == [*sbom.EXTRAS, sbom.COLLECTOR_SBOM]


def test_the_version_is_the_present_one() -> None:
    """In the names of the wheel and of images."""
    assert set(re.findall(r"\b\d+\.\d+\.\d+\b", PAGE)) == {__version__}
