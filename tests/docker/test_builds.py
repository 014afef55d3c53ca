"""The collector's image, compiled from source within Docker: the long form of what all other tests use."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import docker
import pytest

from batchtel_stack import toolchain
from tests.support import images, root_filesystem

pytestmark = [pytest.mark.docker, pytest.mark.built]

GOLANG = "golang:1.26.6"


@pytest.fixture
def golang(client: docker.DockerClient, tmp_path: Path) -> None:
    """The base of the build, or a stand-in: a shell, the Go of this machine and certificates."""
    if images.pulled(client, GOLANG):
        return
    root = toolchain.find(print).resolve().parents[1]
    with tarfile.open(tmp_path / "golang.tar", "w") as tar:
        root_filesystem.shell(tar, images.busybox())
        tar.add(root, "usr/local/go")
        tar.add("/etc/ssl/certs/ca-certificates.crt", "etc/ssl/certs/ca-certificates.crt")
    repository, _, tag = GOLANG.partition(":")
    changes = ["ENV PATH=/usr/local/go/bin:/bin GOPATH=/go HOME=/root"]
    client.api.import_image(src=str(tmp_path / "golang.tar"), repository=repository, tag=tag, changes=changes)


def test_collector_is_built_by_its_dockerfile(client: docker.DockerClient, golang: None, tmp_path: Path) -> None:
    """The image has two programs and certificates, runs as 10001, and has run_rollup among its components."""
    name = "batchtel-collector:from-source"
    context = images.ROOT / "collector/batchtel_collector"
    shutil.copy(images.COMPOSE / "images/collector.Dockerfile", tmp_path / "Dockerfile")
    images.built(client, context, str(tmp_path / "Dockerfile"), name)
    assert client.images.get(name).attrs["Config"]["User"] == "10001:10001"
    output = client.containers.run(name, ["components"], remove=True, read_only=True, cap_drop=["ALL"]).decode()
    assert "run_rollup" in output
    with pytest.raises(docker.errors.APIError, match=r"executable file not found|no such file"):
        client.containers.run(name, entrypoint=["sh"], remove=True)
