"""A Docker engine with the images of compose.yaml, and the stack of its profile `apache`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import docker
import pytest

from batchtel_collector.environment.load import load
from batchtel_collector.render import job_variables
from batchtel_stack import container_files
from batchtel_stack.docker_compose import PUBLISHED
from batchtel_stack.ports import Ports, free
from batchtel_stack.stores import Stores
from tests.support import compose, engine, images
from tests.support.compose import Compose
from tests.support.engine import Engine

PROJECT = "batchtel-test"
BATCHTEL = str(Path(sys.executable).with_name("batchtel"))
FOLDER = Path(__file__).parent

pytestmark = pytest.mark.docker


class Composed:
    """The running stack of a profile, and jobs beside it."""

    def __init__(self, compose: Compose, client: docker.DockerClient, ports: Ports, ledger: Path) -> None:
        self.compose, self.client, self.ports, self.ledger = compose, client, ports, ledger

    def batchtel(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of batchtel that uses this engine and project."""
        return subprocess.run(
            [BATCHTEL, *arguments],
            env=self.compose.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def up(self) -> subprocess.CompletedProcess[str]:
        """Start the profile `apache` by `batchtel stack up --docker`."""
        named = [part for name in PUBLISHED for part in ("--port", f"{name}={getattr(self.ports, name)}")]
        return self.batchtel("stack", "up", "--docker", "--profile", "apache", *named)

    def containers(self) -> dict[str, Any]:
        """Return the containers of the project by the name of their service, also those that have ended."""
        found = self.client.containers.list(all=True, filters={"label": f"com.docker.compose.project={PROJECT}"})
        return {one.labels["com.docker.compose.service"]: one for one in found}

    def start_job(
        self,
        command: Sequence[str],
        volumes: Mapping[str, Any] | None = None,
        /,
        memory: str | None = None,
        **variables: str,
    ) -> Any:
        """Start a job in a container of its own, with what `config variables --format docker` prints."""
        environment = load(str(container_files.environment("apache")))
        lines = job_variables.text(environment, "docker").splitlines()
        printed = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        return self.client.containers.run(
            container_files.settings()["BATCHTEL_JOB_IMAGE"],
            list(command),
            environment=printed | {"OTEL_SERVICE_NAME": "shop", "DEMO_LEDGER": "/ledger"} | variables,
            network=PROJECT,
            mem_limit=memory,
            memswap_limit=memory,
            volumes={
                str(self.ledger): {"bind": "/ledger"},
                str(FOLDER): {"bind": "/job", "mode": "ro"},
                **(volumes or {}),
            },
            detach=True,
        )

    def finish_job(self, container: Any) -> tuple[int, str]:
        """Return the exit code and the output of a job, and remove its container."""
        code = container.wait(timeout=240)["StatusCode"]
        output = container.logs().decode()
        container.remove()
        return code, output

    @property
    def stores(self) -> Stores:
        """Clients of its stores, by the published ports."""
        urls = {
            name: f"http://127.0.0.1:{getattr(self.ports, name)}" for name in ("prometheus", "victorialogs", "jaeger")
        }
        return Stores.local().elsewhere(urls)


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[Engine]:
    """An engine; without one the tests are skipped with the reason."""
    if (reason := engine.missing()) is not None:
        pytest.skip(reason)
    with engine.running() as found:
        yield found


@pytest.fixture(scope="session")
def client(docker_engine: Engine) -> Iterator[docker.DockerClient]:
    """A client of the engine."""
    found = docker_engine.client()
    yield found
    found.close()


@pytest.fixture(scope="session")
def provided(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Every image of the profile `apache`; the names of those that are stand-ins."""
    return images.provide(client, tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def composer(docker_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Compose:
    """`docker compose` with a project of its own, whose network has its name."""
    own = {"COMPOSE_PROJECT_NAME": PROJECT}
    return Compose(docker_engine, compose.variables(docker_engine, tmp_path_factory.mktemp("docker")) | own)


@pytest.fixture(scope="session")
def composed(
    composer: Compose, client: docker.DockerClient, provided: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Composed]:
    """The stack of the profile `apache`, after its first start; at the end nothing is left of it."""
    ledger = tmp_path_factory.mktemp("ledger")
    ledger.chmod(0o777)
    numbers = dict(zip(PUBLISHED, free(len(PUBLISHED)), strict=True))
    found = Composed(composer, client, Ports(**numbers), ledger)
    try:
        outcome = found.up()
        assert outcome.returncode == 0, outcome.stderr
        yield found
    finally:
        composer.run("--profile", "*", "down", "--volumes", "--remove-orphans")
