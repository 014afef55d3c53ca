"""A Docker engine: the one of this machine, or one of its own, as root, from Debian's package docker.io."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import docker
import docker.errors
import pytest

START_SECONDS: Final = 60


@dataclass(frozen=True)
class Engine:
    """A running engine.

    Attributes:
        address: its address, as DOCKER_HOST has it.
        own: whether it was started here, so that its images and volumes end with it.
    """

    address: str
    own: bool

    def client(self) -> docker.DockerClient:
        """Return a client of it."""
        return docker.DockerClient(base_url=self.address, timeout=300)


def missing() -> str | None:
    """Return why there can be no engine here; None if there can be one."""
    if _answers(_address()):
        return None
    if shutil.which("dockerd") is None:
        return "no Docker engine runs, and there is no dockerd to start one; install docker.io"
    if os.geteuid() != 0:
        return "no Docker engine runs, and only root can start one"
    return None


@contextmanager
def running() -> Iterator[Engine]:
    """Yield the engine that runs here, or start one with a data folder and a socket of its own, and end it."""
    if _answers(_address()):
        yield Engine(_address(), own=False)
        return
    # Not below pytest's folders: a path of a socket has 107 characters at most, and overlays keep the folder busy.
    folder = Path(tempfile.mkdtemp(prefix="batchtel-docker-"))
    address, log = f"unix://{folder}/docker.sock", folder / "dockerd.log"
    command = ["dockerd", "--host", address, "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"]
    with log.open("wb") as output:
        engine = subprocess.Popen(
            [*command, "--pidfile", f"{folder}/pid"], stdout=output, stderr=output, start_new_session=True
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(address):
            if engine.poll() is not None or time.monotonic() > deadline:
                pytest.skip(f"dockerd does not start on this machine: {log.read_text()[-600:]}")
            time.sleep(0.1)
        yield Engine(address, own=True)
        _remove_all(address)
    finally:
        engine.send_signal(signal.SIGTERM)
        engine.wait(60)
        _unmount(folder)
        shutil.rmtree(folder)


def _unmount(folder: Path) -> None:
    """Unmount what an engine leaves mounted below its folder, such as the network namespace of the host."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in sorted((one for one in mounts if one.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", mount], check=True)


def _address() -> str:
    return os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"


def _answers(address: str) -> bool:
    if address.startswith("unix://") and not Path(address.removeprefix("unix://")).exists():
        return False
    try:
        client = docker.DockerClient(base_url=address, timeout=10)
        try:
            return bool(client.ping())
        finally:
            client.close()
    except (docker.errors.DockerException, OSError):
        return False


def _remove_all(address: str) -> None:
    """Remove what is left of its containers and networks: with them the engine leaves mounts and bridges behind."""
    client = docker.DockerClient(base_url=address, timeout=120)
    try:
        for container in client.containers.list(all=True):
            container.remove(force=True, v=True)
        client.networks.prune()
    finally:
        client.close()
