"""`docker compose` for tests: that of this machine, or one built from its Go module, for an engine of the tests."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from batchtel_stack import build
from batchtel_stack.binaries import Binary
from tests.support.engine import Engine
from tests.support.images import COMPOSE

OLDEST: Final = (2, 24)

BINARY: Final = Binary(
    name="docker-compose",
    version="2.40.3",
    module=Path(__file__).parent / "go" / "compose",
    programs={"cmd": "github.com/docker/compose/v2/cmd"},
)
"""Docker Compose, for a machine whose Docker has none; Debian 12 packages only its first version."""


@dataclass(frozen=True)
class Compose:
    """`docker compose` with compose.yaml.

    Attributes:
        engine: where containers run.
        variables: what is added to its environment: the engine, the plugin, the project and its ports.
    """

    engine: Engine
    variables: Mapping[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of this process, and the variables."""
        return {**os.environ, **self.variables}

    def run(self, *arguments: str, file: Path = COMPOSE / "compose.yaml") -> str:
        """Return the standard output of a command.

        Raises:
            RuntimeError: it failed; with its standard error.
        """
        command = ["docker", "compose", "--file", str(file), *arguments]
        outcome = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=240
        )
        if outcome.returncode != 0:
            raise RuntimeError(f"`{' '.join(arguments)}` ended with {outcome.returncode}: {outcome.stderr[-3000:]}")
        return outcome.stdout

    def document(self, *profiles: str, file: Path = COMPOSE / "compose.yaml") -> dict[str, Any]:
        """Return the whole configuration of profiles, every variable and anchor resolved."""
        chosen = [part for profile in profiles for part in ("--profile", profile)]
        found: dict[str, Any] = json.loads(self.run(*chosen, "config", "--format", "json", file=file))
        return found


def variables(engine: Engine, folder: Path) -> dict[str, str]:
    """Return the variables by which `docker` uses an engine and finds Docker Compose.

    Args:
        engine: where containers run.
        folder: for the plugin, where it has to be built.
    """
    found = {"DOCKER_HOST": engine.address}
    if not _installed():
        plugins = folder / "cli-plugins"
        plugins.mkdir(parents=True)
        shutil.copy(build.ensure([BINARY])["cmd"], plugins / "docker-compose")
        found["DOCKER_CONFIG"] = str(folder)
    return found


def _installed() -> bool:
    outcome = subprocess.run(["docker", "compose", "version", "--short"], capture_output=True, text=True, check=False)
    version = re.match(r"v?(\d+)\.(\d+)", outcome.stdout)
    return outcome.returncode == 0 and version is not None and (int(version[1]), int(version[2])) >= OLDEST
