"""Long lines are written on several ones, and YAML reads the same values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from batchtel_collector.render.configuration import RENDERED
from batchtel_collector.render.folding import WIDTH, folded

VALUES = ", ".join(f'"name {number}"' for number in range(30))
LONG = f"set(x, 1) where ContainsValue([{VALUES}], y) and z"


@pytest.mark.parametrize(
    "text",
    [
        f"a:\n  - {LONG}\n  - b\n",
        f"a:\n  - >-\n    {LONG}\n    and more\n  - b\n",
        f"a: ['{LONG}', b]\nc: d\n",
        f"a:\n  b: {LONG}\n  c: d\n",
        f"a: [{VALUES}]\n",
        f"a:\n  - b: {LONG}\n    c: d\n",
    ],
    ids=["plain", "block", "quoted", "value", "flow", "item"],
)
def test_values_stay(text: str) -> None:
    """Each kind of scalar that the templates use is broken, and has the value that it had."""
    assert max(map(len, text.splitlines())) > WIDTH
    lines = folded(text).splitlines()
    assert yaml.safe_load("\n".join(lines)) == yaml.safe_load(text)
    assert max(map(len, lines)) <= WIDTH


@pytest.mark.parametrize(
    "text",
    [
        f"a: |\n  {LONG}\nb: c\n",
        f"a: {'x' * 200}\n",
        f"# {'text ' * 60}\n",
        f"a: b # {'text ' * 60}\n",
        'a: "' + "text " * 60 + '"\n',
        'a:\n  - b: "' + "x" * 200 + '"\n    c: d\n',
    ],
    ids=["literal", "no space", "comment", "behind a comment", "string", "item"],
)
def test_what_cannot_be_broken(text: str) -> None:
    """A literal block, a comment and a string stay on their line."""
    assert folded(text) == text


def test_clauses_begin_lines() -> None:
    """A line is broken in front of a clause of OTTL where that is not much shorter."""
    assert folded(f"- {'x' * 100} {'y' * 30} where {'z' * 40}\n") == f"- {'x' * 100} {'y' * 30}\n    where {'z' * 40}\n"


@pytest.mark.parametrize("file", sorted(RENDERED.glob("*.yaml")), ids=lambda file: file.name)
def test_no_rendered_line_is_too_long(file: Path) -> None:
    """A reviewer reads the committed configurations in a diff."""
    assert [line for line in file.read_text(encoding="utf-8").splitlines() if len(line) > 200] == []


def test_no_long_list_of_metrics_is_there_twice() -> None:
    """A list of names is rendered once, so that a lost name is one line of a diff."""
    processors = yaml.safe_load((RENDERED / "local.yaml").read_text(encoding="utf-8"))["processors"]
    for name, processor in processors.items():
        lists = [
            found for found in re.findall(r'ContainsValue\((\["batch\.[^]]*\])', str(processor)) if len(found) > WIDTH
        ]
        assert len(lists) == len(set(lists)), name
