"""The commands of docs/operations/docker.md, from images to a run that is found by its id."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchtel_stack.docker_compose import PUBLISHED
from batchtel_stack.ports import HOST, Ports
from tests.support.compose import Compose
from tests.support.images import ROOT
from tests.support.pages import blocks_of

pytestmark = pytest.mark.docker

PAGE = ROOT / "docs" / "operations" / "docker.md"
COMMANDS = [line.removeprefix("$ ") for block in blocks_of(PAGE, "console") for line in block.splitlines()]

EXPECTED = {
    "batchtel runs list": "nightly_etl",
    "batchtel runs show": "success",
    "docker compose --file compose/compose.yaml --profile apache run": "nightly_etl",
    "docker run": "loaded",
}
"""Beginning of a command -> what it prints."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the commands read and write."""
    shutil.copytree(ROOT / "compose", tmp_path / "compose", ignore=shutil.ignore_patterns("__pycache__"))
    boards = "dashboards/batchtel_dashboards/generated/boards"
    shutil.copytree(ROOT / boards, tmp_path / boards)
    return tmp_path


@pytest.fixture
def own_names(composer: Compose, provided: list[str]) -> Iterator[dict[str, str]]:
    """The variables of a shell on a machine where no stack runs: names and ports are those of the page."""
    if not composer.engine.own:
        pytest.skip("an engine runs here already, and the page uses the names of its users' own stack")
    if in_use := [getattr(Ports(), name) for name in PUBLISHED if not _is_free(getattr(Ports(), name))]:
        pytest.skip(f"ports of the page are in use: {in_use}")
    variables = {name: text for name, text in composer.environment.items() if name != "COMPOSE_PROJECT_NAME"}
    yield variables | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    Compose(composer.engine, {**composer.variables, "COMPOSE_PROJECT_NAME": "batchtel"}).run(
        "--profile", "*", "down", "--volumes"
    )


def test_commands_of_the_page(checkout: Path, own_names: dict[str, str]) -> None:
    """Each works, and prints what a reader looks for. Images were built before, by the same Dockerfiles."""
    assert len(COMMANDS) > 10
    for command in COMMANDS:
        if " build " in f"{command} ":
            continue
        outcome = subprocess.run(
            ["bash", "-c", command],
            cwd=checkout,
            env=own_names,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert outcome.returncode == 0, (command, outcome.stderr[-3000:])
        for beginning, text in EXPECTED.items():
            if command.startswith(beginning):
                _until_printed(command, text, outcome.stdout, checkout, own_names)


def _until_printed(command: str, text: str, printed: str, folder: Path, variables: dict[str, str]) -> None:
    """Call a command again until it prints a text: stores need some seconds."""
    for _ in range(60):
        if text in printed:
            return
        printed = subprocess.run(
            ["bash", "-c", command], cwd=folder, env=variables, capture_output=True, text=True, check=False, timeout=240
        ).stdout
    pytest.fail(f"{command} does not print {text!r}: {printed}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
