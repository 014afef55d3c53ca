"""What the pages about jobs show is what happens."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from batchtel.catalogue import reader
from batchtel.schema.signals import VIOLATION_TYPES
from tests.support.pages import blocks_of

DOCS = Path(__file__).parents[2] / "docs"

PAGES = [DOCS / f"{name}.md" for name in ("jobs", "commands", "runs", "catalogue", "delivery", "safety")]
"""The pages about jobs, in the order of the index in README.md."""


def blocks(language: str) -> list[str]:
    """Return the code blocks of the pages about jobs that are in `language`."""
    return [block for page in PAGES for block in blocks_of(page, language)]


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a user's shell, with this project's commands on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "HOME": os.environ.get("HOME", "/"), **more}


@pytest.mark.parametrize("code", blocks("python"), ids=lambda code: re.sub(r"\W+", "_", code)[-30:])
def test_python_runs(code: str) -> None:
    """Each block is a program of its own; without a collector it reports that once, and works."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=environment(), capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == ""
    warnings = [line for line in ended.stderr.splitlines() if "OTEL_EXPORTER_OTLP_ENDPOINT is not set" in line]
    assert len(warnings) == (0 if "capture()" in code else 1), ended.stderr


@pytest.mark.parametrize(("command", "printed"), list(zip(blocks("sh"), ["working\n", "dumped\n"], strict=True)))
def test_commands_run(command: str, printed: str) -> None:
    """Each command does its work where nothing listens: within the bound, and with its own output only."""
    command = command.replace("127.0.0.1:4318", "127.0.0.1:9")
    ended = subprocess.run(["sh", "-c", command], env=environment(), capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (0, printed), ended.stderr


def test_the_cronjob_is_one() -> None:
    """The manifest parses, and starts a recorded command with variables that are documented."""
    manifests = [yaml.safe_load(block) for block in blocks_of(DOCS / "operations" / "kubernetes.md", "yaml")]
    (manifest,) = [one for one in manifests if "kind" in one]
    assert (manifest["apiVersion"], manifest["kind"]) == ("batch/v1", "CronJob")
    (container,) = manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["command"][:3] == ["batchtel", "run", "--"]
    names = [variable["name"] for variable in container["env"]]
    assert len(names) == len(set(names))
    # `config variables` prints what follows, with a Secret first; tests/kubernetes compares it.
    own = names[: names.index("BATCHTEL_TOKEN")]
    assert len(own) > 3
    assert set(own) <= documented()


def test_the_catalogue_is_one(tmp_path: Path) -> None:
    """The catalogue parses, holds every rule that the page explains, and is read by a job as the page describes."""
    (text,) = blocks("toml")
    file = tmp_path / "jobs.toml"
    file.write_text(text)
    nightly = reader.read(file)["nightly_etl"]
    assert nightly.sla is not None
    table = re.findall(r"^\| `(\w+)` \| `(\w+)`: ", (DOCS / "catalogue.md").read_text(), re.MULTILINE)
    assert table == list(zip(nightly.sla._fields, VIOLATION_TYPES, strict=True))
    code = """
from batchtel.testing import capture
import batchtel
with capture() as captured, batchtel.job("nightly_etl", scheduled_at="2026-03-01T22:30:00Z") as job:
    job.records(processed=99_999, failed=1)
print(captured.event("batch.run.finished")["batch.sla.violations"])
"""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=environment(BATCHTEL_CATALOGUE=str(file), OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "('insufficient_records',)\n", "")


def documented() -> set[str]:
    """Return the variables that the reference describes."""
    return set(re.findall(r"`((?:OTEL|BATCHTEL)_[A-Z_]+)`", (DOCS / "reference.md").read_text())) | {"BATCHTEL_JOB"}
