"""`batchtel stack up --docker`, as far as it goes without an engine: what it refuses, and what it reports then."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from batchtel.cli.main import main
from batchtel_stack import container_files, docker_compose
from batchtel_stack.ports import Ports
from tests.support.images import COMPOSE


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of compose/, which the commands use."""
    copy = tmp_path / "compose"
    shutil.copytree(COMPOSE, copy, ignore=shutil.ignore_patterns("batchtel_stack"))
    monkeypatch.setattr(container_files, "folder", lambda: copy)
    return copy


@pytest.fixture
def no_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PATH on which there is no `docker`."""
    monkeypatch.setenv("PATH", str(tmp_path))


def called(*arguments: str) -> tuple[int, str]:
    """Return the exit code and standard error of `batchtel stack up`."""
    outcome = CliRunner().invoke(main, ["stack", "up", *arguments])
    return outcome.exit_code, outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--docker", "--data", "x"],
            "error: --data does not go with --docker, where data is in volumes; leave it out\n",
        ),
        (
            ["--profile", "apache"],
            "error: --profile goes with --docker only; add --docker, or leave it out\n",
        ),
        (
            ["--docker", "--port", "collector_health=14000"],
            "error: --port collector_health: with --docker this port is inside of a container; choose from otlp_grpc, "
            "otlp_http, prometheus, alertmanager, ui, victorialogs, jaeger\n",
        ),
    ],
)
def test_options_that_do_not_go_together(arguments: list[str], message: str) -> None:
    """Each is refused before anything is started, with what to write instead."""
    assert called(*arguments) == (2, message)


def test_environment_is_that_of_the_containers() -> None:
    """The message has the file to change."""
    code, message = called("--docker", "--env", "staging")
    assert code == 2
    assert f"{container_files.folder()}/configuration/PROFILE/collector.yaml" in message


def test_there_is_no_docker(checkout: Path, no_docker: None) -> None:
    """What to install, and the way without."""
    code, message = called("--docker")
    assert code == 3
    assert message.startswith(
        "error: there is no `docker` on PATH; install Docker with Docker Compose 2.24 or newer, or"
    )
    assert CliRunner().invoke(main, ["stack", "down", "--docker"]).exit_code == 3
    assert CliRunner().invoke(main, ["stack", "down", "--docker", "--data", "x"]).exit_code == 2


def test_checkout_that_only_its_owner_can_read(checkout: Path, no_docker: None) -> None:
    """A umask of 077 is found before a container fails by it."""
    file = checkout / "configuration/prometheus/alerts.yaml"
    file.chmod(0o600)
    code, message = called("--docker")
    assert code == 2
    assert f"{file} can be read by its owner only" in message
    assert f"chmod -R o+rX {file.parent}" in message


def test_docker_without_compose(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client without the plugin: its own message, and what to install."""
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\necho \"docker: 'compose' is not a docker command.\" >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    code, message = called("--docker")
    assert code == 3
    assert "package docker-compose-plugin): docker: 'compose' is not a docker command." in message


def test_published_ports_have_variables() -> None:
    """Each has a variable of its name in .env."""
    settings = (COMPOSE / ".env").read_text()
    for name in docker_compose.PUBLISHED:
        assert f"\n{name.upper()}_PORT=" in settings


def test_address_that_is_printed(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An option wins over a variable of the shell, that over a line of .env."""
    file = checkout / ".env"
    file.write_text(file.read_text().replace("UI_PORT=9494", "UI_PORT=9495"))
    assert docker_compose.published("ui", Ports()) == 9495
    monkeypatch.setenv("UI_PORT", "9496")
    assert docker_compose.published("ui", Ports()) == 9496
    assert docker_compose.published("ui", Ports(ui=9497)) == 9497
