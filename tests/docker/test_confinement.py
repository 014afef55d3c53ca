"""What a container of the stack may do, as the engine runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from batchtel_collector.environment.load import load
from batchtel_collector.render.formats import formatted
from batchtel_stack.ports import free
from tests.docker.conftest import Composed
from tests.support.compose import Compose
from tests.support.site import Site

pytestmark = pytest.mark.docker

SERVICES = {"prepare", "prometheus", "alertmanager", "collector-apache", "ui-apache", "victorialogs", "jaeger"}


def test_all_services_are_healthy(composed: Composed) -> None:
    """The profile has its services and no other; the one that prepares the volumes has ended well."""
    containers = composed.containers()
    assert set(containers) == SERVICES
    prepare = containers.pop("prepare").attrs["State"]
    assert (prepare["Status"], prepare["ExitCode"]) == ("exited", 0)
    assert {name: one.attrs["State"]["Health"]["Status"] for name, one in containers.items()} == dict.fromkeys(
        containers, "healthy"
    )


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_a_container_is_confined(composed: Composed, service: str) -> None:
    """No root, no capability, a root that is read-only, limits of memory, processes and logs; ports on loopback."""
    attributes = composed.containers()[service].attrs
    host = attributes["HostConfig"]
    is_prepare = service == "prepare"
    assert attributes["Config"]["User"] == ("0:0" if is_prepare else "10001:10001")
    assert host["CapDrop"] == ["ALL"]
    added = {name.removeprefix("CAP_") for name in host["CapAdd"] or []}
    assert added == ({"CHOWN", "DAC_OVERRIDE"} if is_prepare else set())
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["ReadonlyRootfs"] is True
    assert host["PidsLimit"] == 512
    assert host["RestartPolicy"]["Name"] == ("no" if is_prepare else "unless-stopped")
    assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}
    assert host["Memory"] > 0
    assert not host["Privileged"]
    published = [binding["HostIp"] for bindings in host["PortBindings"].values() for binding in bindings]
    assert set(published) <= {"127.0.0.1"}
    writable = {mount["Destination"] for mount in attributes["Mounts"] if mount["RW"]}
    assert all(path == "/data" or path.startswith("/volumes/") for path in writable)


@pytest.mark.parametrize("service", ["prometheus", "alertmanager", "victorialogs", "jaeger", "ui-apache"])
def test_only_the_volume_can_be_written(composed: Composed, service: str) -> None:
    """A file of the image, the configuration and the folder of root cannot be changed from within."""
    container = composed.containers()[service]
    for path in ("/etc/passwd", "/bin/new", "/etc/batchtel/new"):
        code, output = container.exec_run(["sh", "-c", f"echo x >> {path}"])
        assert code != 0, (path, output)


def test_rendered_service_runs(composer: Compose, provided: list[str], tmp_path: Path) -> None:
    """What `config render --format compose` prints is one file with everything in it: a collector that accepts runs."""
    (tmp_path / "mine.yaml").write_text(
        "base: local\nname: mine\n"
        f"listen: {{otlp_grpc: '0.0.0.0:{free(1)[0]}', otlp_http: '0.0.0.0:{(port := free(1)[0])}', "
        "health: '0.0.0.0:13133', plaintext: true}\n"
        "queue: {folder: /var/lib/batchtel/queue}\n"
    )
    file = tmp_path / "compose.yaml"
    file.write_text(formatted(load(str(tmp_path / "mine.yaml")), "compose", "mine"))
    try:
        composer.run("up", "--detach", "--wait", file=file)
        answer = Site(f"http://127.0.0.1:{port}").get("/v1/traces", "POST", **{"Content-Type": "application/json"})
        assert answer.status in {200, 400}, answer
        (collector,) = json.loads("[" + composer.run("ps", "--format", "json", "batchtel", file=file).strip() + "]")
        assert collector["Health"] == "healthy"
    finally:
        composer.run("down", "--volumes", file=file)
