"""The profile `grafana`: Loki, Tempo and Grafana, which people run themselves. They are never built here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import docker
import docker.errors
import pytest

from batchtel_dashboards.stores import Loki, Tempo, Wanted
from batchtel_stack import container_files
from batchtel_stack.ports import free
from tests.docker.conftest import PROJECT
from tests.support.compose import Compose
from tests.support.images import COMPOSE
from tests.support.polling import until

pytestmark = pytest.mark.docker

IMAGES = ("LOKI_IMAGE", "TEMPO_IMAGE", "GRAFANA_IMAGE")


def test_is_the_default(composer: Compose) -> None:
    """Without --profile the services are those of `grafana`; with one, they are those of that alone."""
    common = {"prepare", "prometheus", "alertmanager"}
    grafana = {*common, "collector-grafana", "ui-grafana", "loki", "tempo", "grafana"}
    apache = {*common, "collector-apache", "ui-apache", "victorialogs", "jaeger"}
    assert set(composer.document()["services"]) == grafana
    assert set(composer.document("grafana")["services"]) == grafana
    assert set(composer.document("apache")["services"]) == apache


def test_what_is_mounted_is_there(composer: Compose) -> None:
    """Docker makes a folder in the place of a file that is missing, so each source of a mount has to exist."""
    services = composer.document("grafana", "apache")["services"]
    sources = {
        mount["source"] for one in services.values() for mount in one.get("volumes", []) if mount["type"] == "bind"
    }
    assert len(sources) > 12
    for source in sources:
        assert Path(source).exists(), source
    for service in services.values():
        build = service.get("build")
        if build is not None:
            assert Path(build["context"], build["dockerfile"]).is_file()


def test_no_variable_is_missing(composer: Compose) -> None:
    """Each variable of compose.yaml has a value in .env, and none is left in what Docker gets."""
    text = composer.run("--profile", "*", "config")
    assert "${" not in text.replace("$${", "")
    assert str(COMPOSE) in text


@pytest.fixture
def pulled(client: docker.DockerClient) -> None:
    """The images of the profile, pulled; skips where that is not possible."""
    for variable in IMAGES:
        name = container_files.settings()[variable]
        try:
            client.images.get(name)
        except docker.errors.ImageNotFound:
            try:
                client.images.pull(name)
            except docker.errors.APIError as error:
                pytest.skip(f"{name} cannot be pulled: {error.explanation}")


@pytest.fixture
def ports(composer: Compose, pulled: None, provided: list[str]) -> Iterator[dict[str, int]]:
    """The running profile; the ports that it publishes, by the variables of .env."""
    names = [name for name in container_files.settings() if name.endswith("_PORT")]
    found = dict(zip(names, free(len(names)), strict=True))
    own = Compose(composer.engine, {**composer.variables, **{name: str(port) for name, port in found.items()}})
    try:
        own.run("--profile", "grafana", "up", "--detach", "--wait")
        yield found
    finally:
        own.run("--profile", "*", "down", "--volumes")


def test_runs_of_a_container_are_in_loki_and_tempo(client: docker.DockerClient, ports: dict[str, int]) -> None:
    """A job beside the official images is found in both stores by its name."""
    since = time.time() - 60
    client.containers.run(
        container_files.settings()["BATCHTEL_JOB_IMAGE"],
        ["python", "-c", "print('loaded')"],
        environment={
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
            "OTEL_SERVICE_NAME": "shop",
            "BATCHTEL_JOB": "beside_grafana",
        },
        network=PROJECT,
        remove=True,
    )
    loki, tempo = (Loki(f"http://127.0.0.1:{ports['LOKI_PORT']}"), Tempo(f"http://127.0.0.1:{ports['TEMPO_PORT']}"))
    wanted = Wanted("shop", job="beside_grafana")
    until("the run in Loki", lambda: loki.records(wanted, since, time.time() + 60) or None, 60)
    until("the run in Tempo", lambda: tempo.find(wanted, since, time.time() + 60) or None, 60)


def test_environments_differ_in_stores_only() -> None:
    """What jobs see of a profile is the same in both."""
    texts = [container_files.environment(profile).read_text() for profile in container_files.PROFILES]
    kept = [[line for line in text.splitlines() if line.strip() and not line.startswith("#")] for text in texts]
    stores = ("loki", "tempo", "victorialogs", "jaeger")
    assert [line for line in kept[0] if "listen" in line or "queue" in line or "collector:4318" in line] == [
        line for line in kept[1] if "listen" in line or "queue" in line or "collector:4318" in line
    ]
    assert any(line.startswith(stores) for line in kept[0])
