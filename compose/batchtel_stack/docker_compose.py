"""The stack in containers: compose.yaml, by the command `docker compose`."""

from __future__ import annotations

import dataclasses
import os
import shlex
import shutil
import stat
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final

from batchtel_dashboards.boards import shipped
from batchtel_stack import container_files
from batchtel_stack.errors import UnavailableError, WrongInputError
from batchtel_stack.ports import Ports

PUBLISHED: Final = ("otlp_grpc", "otlp_http", "prometheus", "alertmanager", "ui", "victorialogs", "jaeger")
"""The ports of a stack that compose.yaml publishes; all others are inside of a container."""

_IMAGES: Final = ("BATCHTEL_COLLECTOR_IMAGE", "BATCHTEL_UI_IMAGE")


def up(profile: str, ports: Ports) -> None:
    """Start the containers of a profile and return when all of them are healthy. Docker reports on standard error.

    Args:
        profile: one of container_files.PROFILES.
        ports: what is published on loopback.

    Raises:
        WrongInputError: a port is not published, or no container could read a file of the configuration.
        UnavailableError: there is no Docker or no Docker Compose, an image is missing, or a container does not start.
    """
    variables = _variables(ports)
    _require_readable()
    _require_compose()
    if not _is_checkout():
        _require_images()
    _run([*_compose(profile), "up"], ["--detach", "--wait"], variables)


def down() -> None:
    """Stop the containers of all profiles and remove them; the volumes stay.

    Raises:
        UnavailableError: there is no Docker or no Docker Compose, or a container does not stop.
    """
    _require_compose()
    _run([*_compose("*"), "down"], [], {})


def published(name: str, ports: Ports) -> int:
    """Return the port of this machine for one of PUBLISHED: as asked for, or as the shell or .env has it."""
    number: int = getattr(ports, name)
    if number != getattr(Ports(), name):
        return number
    variable = f"{name.upper()}_PORT"
    text = os.environ.get(variable) or container_files.settings().get(variable, "")
    return int(text) if text.isdecimal() else number


def shown(profile: str) -> str:
    """Return the beginning of a command line of Docker Compose for these containers."""
    return shlex.join(_compose(profile))


def _compose(profile: str) -> list[str]:
    return ["docker", "compose", "--file", str(container_files.folder() / "compose.yaml"), "--profile", profile]


def _variables(ports: Ports) -> dict[str, str]:
    default = Ports()
    changed = {
        field.name: getattr(ports, field.name)
        for field in dataclasses.fields(ports)
        if getattr(ports, field.name) != getattr(default, field.name)
    }
    if inside := [name for name in changed if name not in PUBLISHED]:
        raise WrongInputError(
            f"--port {inside[0]}: with --docker this port is inside of a container; choose from {', '.join(PUBLISHED)}"
        )
    return {f"{name.upper()}_PORT": str(number) for name, number in changed.items()} | {
        "BATCHTEL_BOARDS": str(shipped.folder("exact"))
    }


def _is_checkout() -> bool:
    return (container_files.folder() / "images").is_dir()


def _require_readable() -> None:
    """Raise where a checkout was made with a umask such as 077: the programs are other users in their containers."""
    folder = container_files.folder() / "configuration"
    boards = shipped.folder("exact")
    for path in (folder, *sorted(folder.rglob("*")), boards, *sorted(boards.iterdir())):
        needed = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)
        if path.stat().st_mode & needed != needed:
            raise WrongInputError(
                f"{path} can be read by its owner only, and the programs in containers are other users; "
                f"make it readable: chmod -R o+rX {path.parent if path.is_file() else path}"
            )


def _require_compose() -> None:
    if shutil.which("docker") is None:
        raise UnavailableError(
            "there is no `docker` on PATH; install Docker with Docker Compose 2.24 or newer, "
            "or start the stack without containers: batchtel stack up"
        )
    outcome = subprocess.run(["docker", "compose", "version", "--short"], capture_output=True, text=True, check=False)
    if outcome.returncode != 0:
        raise UnavailableError(
            "`docker compose` does not work; install Docker Compose 2.24 or newer (package docker-compose-plugin): "
            f"{outcome.stderr.strip()[:300]}"
        )


def _require_images() -> None:
    """Raise where an image of batchtel's own is missing and there is no source to build it from."""
    settings = container_files.settings()
    for name in (os.environ.get(variable) or settings[variable] for variable in _IMAGES):
        outcome = subprocess.run(["docker", "image", "inspect", name], capture_output=True, text=True, check=False)
        if "No such image" in outcome.stderr:
            raise UnavailableError(
                f"there is no image {name}; build it in a checkout of batchtel: docker compose --file "
                "compose/compose.yaml build, or name yours in BATCHTEL_COLLECTOR_IMAGE and BATCHTEL_UI_IMAGE"
            )


def _run(command: Sequence[str], options: Sequence[str], variables: Mapping[str, str]) -> None:
    code = subprocess.run([*command, *options], env={**os.environ, **variables}, check=False).returncode
    if code != 0:
        raise UnavailableError(
            f"`docker compose {command[-1]}` ended with exit code {code}; its last lines have the reason"
        )
