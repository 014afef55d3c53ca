"""Commands in pages, messages and comments are those that exist."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from batchtel.cli.table import COMMANDS
from batchtel.cli.unknown import RENAMED

ROOT = Path(__file__).parents[2]

OF_FORMER_COMMANDS = {
    "instrumentation/batchtel/cli/unknown.py",
    "tests/instrumentation/test_command.py",
    "tests/docs/test_commands.py",
}
"""Files whose subject they are. The changelog has them in the rows of a table."""

_FORMER = re.compile(rf"(?:^|[`$\"'(:] ?)batchtel ({'|'.join({former[0] for former in RENAMED})})\b")


def _texts() -> dict[str, str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = [name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    return {name: (ROOT / name).read_text(encoding="utf-8", errors="replace") for name in names}


def test_no_text_has_a_former_command() -> None:
    """Whoever types what is written gets no error; each place is named with its line."""
    found = [
        f"{name}:{number}: {line.strip()}"
        for name, text in _texts().items()
        if name not in OF_FORMER_COMMANDS
        for number, line in enumerate(text.splitlines(), 1)
        if _FORMER.search(line) and not (name == "CHANGELOG.md" and line.startswith("  | "))
    ]
    assert found == []


def _code(page: str) -> list[str]:
    """Return the lines of the code blocks of a page, and its pieces of code within sentences."""
    blocks = re.findall(r"^```.*?\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL))
    return [*inline, *(line for block in blocks for line in block.splitlines())]


def test_the_pages_name_commands_that_exist() -> None:
    """In code of README, contributor's guide and pages, what follows `batchtel` is a command."""
    found, wrong = 0, []
    for name, text in _texts().items():
        if not name.endswith(".md") or name == "CHANGELOG.md":
            continue
        for line in _code(text):
            if (command := re.match(r"(?:\$ )?(?:[A-Z_]+=\S+ )*batchtel ([a-z]+)(?: ([a-z]+))?", line)) is None:
                continue
            found += 1
            below = COMMANDS.get(command[1], {})
            if command[1] not in COMMANDS[""] or (below and command[2] is not None and command[2] not in below):
                wrong.append(f"{name}: {line}")
    assert wrong == []
    assert found > 50
