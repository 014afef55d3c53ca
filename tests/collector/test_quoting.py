"""Values get through YAML, the collector's variables and OTTL unchanged."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from batchtel.base.identity import is_name
from batchtel_collector.environment.load import load
from batchtel_collector.render.configuration import render
from batchtel_collector.render.quoting import go_list, ottl, quote, quote_reference

AWKWARD = (
    "plain",
    "no",
    "22:22",
    "0777",
    "null",
    "- a",
    "a: b",
    "a #b",
    "# a",
    '"quoted"',
    "it's",
    "back\\slash",
    "{{ jinja }}",
    "{% raw %}",
    "${env:HOME}",
    "$$",
    "50 %",
    "*alias",
    "naïve 日本",
    "emoji \U0001f600",
    "no\u00a0break",
    "line\u2028separator",
    "tab\tand\nnewline",
    "\x7f\x85\ufeff",
)
"""Texts that YAML, Jinja2, the collector or OTTL would read as something else."""


@pytest.mark.parametrize("text", AWKWARD)
def test_quoted_text_is_the_text(text: str) -> None:
    """YAML reads a quoted text back; every dollar is doubled, which the collector undoes."""
    assert yaml.safe_load(f"key: {quote(text)} # comment") == {"key": text.replace("$", "$$")}


@pytest.mark.parametrize("text", AWKWARD)
def test_ottl_in_a_folded_block_is_the_text(text: str) -> None:
    """A literal in a statement survives the block scalar that the templates write statements in."""
    block = f"- >-\n  set(x, {ottl(text)})\n  where y\n"
    (statement,) = yaml.safe_load(block)
    literal = statement.removeprefix("set(x, ").removesuffix(") where y")
    assert json.loads(literal).replace("$$", "$") == text


def test_a_reference_stays_a_reference() -> None:
    """The collector sees the variable, and any other dollar as a dollar."""
    assert quote_reference("${env:HOME}/a$b") == '"${env:HOME}/a$$b"'


@pytest.mark.parametrize(
    ("bounds", "text"), [((0.1, 1.0, 604800.0), "[0.1 1 604800]"), ((), "[]"), ((0.95, 1.0), "[0.95 1]")]
)
def test_lists_of_numbers_are_written_as_go_prints_them(bounds: Sequence[float], text: str) -> None:
    """The comparison of bucket layouts is one of texts."""
    assert go_list(bounds) == text


def test_the_collector_accepts_every_awkward_job_name(collector_program: Path, tmp_path: Path) -> None:
    """All names at once in one configuration: the real collector parses each statement."""
    catalogue = tmp_path / "jobs.toml"
    # A string of JSON is one of TOML.
    names = [json.dumps(text, ensure_ascii=False) for text in AWKWARD if is_name(text)]
    catalogue.write_text("".join(f"[jobs.{name}]\nowner = {name}\n" for name in names), encoding="utf-8")
    configuration = tmp_path / "collector.yaml"
    overrides = {"unknown_jobs": "other", "catalogue": str(catalogue), "queue": {"folder": str(tmp_path / "queue")}}
    configuration.write_text(render(load("local", overrides)), encoding="utf-8")
    finished = subprocess.run(
        [collector_program, "validate", "--config", configuration], capture_output=True, text=True, check=False
    )
    assert (finished.returncode, finished.stderr) == (0, "")
