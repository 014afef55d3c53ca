"""compose.yaml, its images and its files, against the stack without containers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from batchtel.version import __version__
from batchtel_collector.environment.load import load
from batchtel_collector.render import platform_needs
from batchtel_collector.render.configuration import render
from batchtel_dashboards.boards.catalogue import BOARDS
from batchtel_stack import container_files
from batchtel_stack.binaries import ALERTMANAGER, BINARIES, JAEGER, VICTORIALOGS
from batchtel_stack.ports import Ports
from batchtel_stack.programs import Options, programs
from tests.support import images

COMPOSE: Final = images.COMPOSE
SETTINGS: Final = container_files.settings()
FILE: Final[dict[str, Any]] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
SERVICES: Final[dict[str, Any]] = FILE["services"]

JAEGER_RELEASES: Final = {"1.76.0": "2.13.0"}
"""Version of Jaeger's Go module -> that of the image, which one release has: jaegertracing/jaeger pull request 7690."""


def test_images_have_one_version_each() -> None:
    """Each image has a tag that is a version, and each variable of .env is used."""
    text = (COMPOSE / "compose.yaml").read_text()
    used = set(re.findall(r"\$\{(\w+)\}", text))
    assert set(SETTINGS) - used == {"COMPOSE_PROFILES", "BATCHTEL_JOB_IMAGE"}
    assert used - set(SETTINGS) == {"COMPOSE_PROJECT_NAME"}
    for variable, name in SETTINGS.items():
        if variable.endswith("_IMAGE"):
            assert re.fullmatch(r"[a-z0-9/-]+:v?\d+\.\d+\.\d+", name), variable
    assert not re.search(r"image: [^$]", re.sub(r"^ *#.*$", "", text, flags=re.MULTILINE))


def test_images_are_the_versions_that_are_tested() -> None:
    """The image of a program is the release that `batchtel stack build` builds; batchtel's own have its version."""
    (prometheus,) = re.findall(r"prometheus/prometheus v0\.(\d)(\d\d)\.(\d+)", _module("prometheus"))
    assert SETTINGS["PROMETHEUS_IMAGE"] == "prom/prometheus:v{}.{}.{}".format(*prometheus)
    assert SETTINGS["ALERTMANAGER_IMAGE"] == f"prom/alertmanager:v{ALERTMANAGER.version}"
    assert SETTINGS["VICTORIALOGS_IMAGE"] == f"victoriametrics/victoria-logs:v{VICTORIALOGS.version}"
    assert SETTINGS["JAEGER_IMAGE"] == f"jaegertracing/jaeger:{JAEGER_RELEASES[JAEGER.version]}"
    for name in ("collector", "job", "ui"):
        assert SETTINGS[f"BATCHTEL_{name.upper()}_IMAGE"] == f"batchtel-{name}:{__version__}"


def _module(name: str) -> str:
    (binary,) = [one for one in BINARIES if one.name == name]
    return (binary.module / "go.mod").read_text()


def test_ports_are_those_without_containers() -> None:
    """So `batchtel runs` and all others find the stores by their defaults."""
    ports = Ports()
    for name in ("otlp_grpc", "otlp_http", "prometheus", "alertmanager", "ui", "victorialogs", "jaeger"):
        assert SETTINGS[f"{name.upper()}_PORT"] == str(getattr(ports, name))
    assert SETTINGS["BATCHTEL_BIND"] == "127.0.0.1"
    for name, service in SERVICES.items():
        for port in service.get("ports", []):
            assert port.startswith("${BATCHTEL_BIND}:"), (name, port)


@pytest.mark.parametrize("program", ["prometheus", "alertmanager", "victorialogs", "jaeger"])
def test_programs_have_the_same_arguments(program: str) -> None:
    """But for folders, addresses and the name of the file, a program is called as without containers."""
    (without,) = [one for one in programs(Options(Path("/data")), boot=0) if one.name == program]
    assert {_plain(text) for text in SERVICES[program]["command"]} == {_plain(text) for text in without.arguments}


def _plain(argument: str) -> str:
    flag, _, value = argument.partition("=")
    if "/" in value or "127.0.0.1" in value or re.fullmatch(r":\d+", value):
        return flag.lstrip("-")
    return argument if not argument.startswith("/") else "FILE"


@pytest.mark.parametrize("profile", container_files.PROFILES)
def test_collector_has_what_its_configuration_needs(profile: str) -> None:
    """Memory as the manifests give it, a volume for its queue, and both OTLP ports."""
    environment = load(str(container_files.environment(profile)))
    needs = platform_needs.needs(environment, render(environment))
    service = SERVICES[f"collector-{profile}"]
    assert service["mem_limit"] == f"{needs.memory_mebibytes}m"
    assert service["environment"]["GOMEMLIMIT"] == f"{needs.go_memory_mebibytes}MiB"
    assert needs.image == SETTINGS["BATCHTEL_COLLECTOR_IMAGE"]
    assert needs.queue.startswith("/data/")
    assert "collector:/data" in service["volumes"]
    assert needs.secrets == ()


def test_stores_keep_data_as_long_as_the_environment() -> None:
    """Loki and Tempo have the retention of the environment, as VictoriaLogs and Jaeger have."""
    hours = int(load(str(container_files.environment("grafana"))).retention.detail.total_seconds() // 3600)
    loki, tempo = (yaml.safe_load(_configuration(f"{name}/{name}.yaml")) for name in ("loki", "tempo"))
    assert loki["limits_config"]["retention_period"] == f"{hours}h"
    assert tempo["compactor"]["compaction"]["block_retention"] == f"{hours}h"
    assert loki["common"]["path_prefix"].startswith("/data/")
    assert tempo["storage"]["trace"]["local"]["path"].startswith("/data/")


def _configuration(path: str) -> str:
    return (COMPOSE / "configuration" / path).read_text()


def test_grafana_has_the_boards_for_its_stores() -> None:
    """The boards of Loki and Tempo, each by a mount of its own, where the provider looks for them."""
    mounted = [volume for volume in SERVICES["grafana"]["volumes"] if "/etc/batchtel/boards" in volume]
    names = {volume.rpartition("/")[2].removesuffix(":ro") for volume in mounted}
    assert names == {f"{uid}.json" for uid in BOARDS if not uid.endswith("-victorialogs")}
    assert "path: /etc/batchtel/boards\n" in _configuration("provisioning/dashboards/batchtel.yaml")
    addresses = set(re.findall(r"url: \$(\w+)", _configuration("provisioning/datasources/batchtel.yaml")))
    assert addresses <= set(SERVICES["grafana"]["environment"])


def test_every_service_is_confined() -> None:
    """Also those that are not run here: user, capabilities, root, limits, restart, logs, health."""
    for name, service in SERVICES.items():
        assert service["user"] == ("0:0" if name == "prepare" else "10001:10001"), name
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert {"mem_limit", "pids_limit", "restart", "logging"} <= set(service), name
        assert "healthcheck" in service or name in {"prepare", "tempo"}, name


def test_example_of_a_job_can_be_used(tmp_path: Path) -> None:
    """The commented service is valid where its comment signs are removed, and sends to the collector."""
    text = (COMPOSE / "compose.yaml").read_text()
    (example,) = re.findall(r"^  # nightly:\n(?:  #.*\n)+", text, re.MULTILINE)
    job = yaml.safe_load(re.sub(r"^  # ?", "", example, flags=re.MULTILINE))["nightly"]
    environment = load(str(container_files.environment("apache")))
    assert job["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"] == environment.jobs.endpoint
    assert len(job["environment"]) == 3
