"""The images of compose.yaml: pulled where that is possible, else stand-ins out of the programs of this machine.

A stand-in has the name, the program and the shell of the official image, `FROM scratch`. Those of batchtel are built by
their own Dockerfiles, the collector's from the program that is in the user's cache.
"""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import docker
import docker.errors
import pytest

from batchtel_stack import build, container_files
from batchtel_stack.binaries import BINARIES, Binary
from tests.support import interpreters, root_filesystem

ROOT: Final = Path(__file__).parents[2]
COMPOSE: Final = ROOT / "compose"

HEALTHCHECK: Final = Binary(
    name="healthcheck",
    version="",
    module=ROOT / "collector/batchtel_collector/distribution/healthcheck",
    programs={"healthcheck": "."},
)
"""The health check of the collector's image."""

PROGRAMS: Final = {
    "PROMETHEUS_IMAGE": ("prometheus", "/bin/prometheus"),
    "ALERTMANAGER_IMAGE": ("alertmanager", "/bin/alertmanager"),
    "VICTORIALOGS_IMAGE": ("victorialogs", "/victoria-logs-prod"),
    "JAEGER_IMAGE": ("jaeger", "/cmd/jaeger/jaeger-linux"),
}
"""Variable of an image in compose/.env -> a program of `batchtel stack build`, and where the official image has it."""

PYTHON: Final = "python:3.13-slim"


def provide(client: docker.DockerClient, folder: Path) -> list[str]:
    """Make every image of the profile `apache`, and that of jobs, available to an engine.

    Args:
        client: of the engine.
        folder: an empty folder for what is put together.

    Returns:
        The names of the stand-ins.
    """
    variables = container_files.settings()
    binaries = build.ensure([*(binary for binary in BINARIES), HEALTHCHECK])
    stand_ins = []
    for variable, (program, inside) in PROGRAMS.items():
        if not pulled(client, variables[variable]):
            _of_program(client, variables[variable], binaries[program], inside)
            stand_ins.append(variables[variable])
    if not pulled(client, PYTHON):
        _python(client, folder / "python.tar")
        stand_ins.append(PYTHON)
    for target in ("job", "ui"):
        built(client, ROOT, "compose/images/python.Dockerfile", variables[f"BATCHTEL_{target.upper()}_IMAGE"], target)
    _collector(client, folder / "collector", binaries, variables["BATCHTEL_COLLECTOR_IMAGE"])
    return stand_ins


def pulled(client: docker.DockerClient, name: str) -> bool:
    """Return whether an engine has an image, pulled if it has to be."""
    try:
        client.images.get(name)
    except docker.errors.ImageNotFound:
        try:
            client.images.pull(name)
        except docker.errors.APIError:
            return False
    return True


def _of_program(client: docker.DockerClient, name: str, program: Path, inside: str) -> None:
    dockerfile = f"FROM scratch\nADD files.tar /\nUSER 65534\nENTRYPOINT {_list([inside])}\n"
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        files = io.BytesIO()
        with tarfile.open(fileobj=files, mode="w") as inner:
            root_filesystem.shell(inner, busybox())
            inner.add(program, inside)
        _entry(tar, "Dockerfile", dockerfile.encode())
        _entry(tar, "files.tar", files.getvalue())
    context.seek(0)
    _run(client, {"fileobj": context, "custom_context": True, "tag": name})


def _python(client: docker.DockerClient, archive: Path) -> None:
    found = interpreters.find("3.13") or interpreters.find("3.12") or interpreters.find("3.11")
    assert found is not None
    root_filesystem.python(archive, Path(found), busybox())
    certificates = "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"
    repository, _, tag = PYTHON.partition(":")
    changes = [f"ENV PATH=/usr/local/bin:/usr/bin:/bin {certificates}", 'CMD ["python"]']
    client.api.import_image(src=str(archive), repository=repository, tag=tag, changes=changes)


def _collector(client: docker.DockerClient, folder: Path, binaries: Mapping[str, Path], name: str) -> None:
    """Build the last stage of the Dockerfile from programs that are built already."""
    out = folder / "out"
    (out / "data").mkdir(parents=True)
    shutil.copy(binaries["collector"], out / "otelcol-batchtel")
    shutil.copy(binaries["healthcheck"], out / "healthcheck")
    (folder / "etc/ssl/certs").mkdir(parents=True)
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", folder / "etc/ssl/certs")
    text = (COMPOSE / "images/collector.Dockerfile").read_text()
    _, _, last = text.partition("\nFROM scratch\n")
    assert last.count("--from=build ") == 4, text
    (folder / "Dockerfile").write_text("FROM scratch\n" + last.replace("--from=build ", ""))
    built(client, folder, "Dockerfile", name)


def built(client: docker.DockerClient, context: Path, dockerfile: str, name: str, target: str | None = None) -> None:
    """Build an image by a Dockerfile."""
    # Within a step the network is this machine's: an engine in a sandbox may have no other way out.
    _run(
        client,
        {"path": str(context), "dockerfile": dockerfile, "target": target, "tag": name, "network_mode": "host"},
    )


def _run(client: docker.DockerClient, arguments: dict[str, Any]) -> None:
    try:
        client.images.build(rm=True, forcerm=True, **arguments)
    except docker.errors.BuildError as error:
        lines = "".join(line.get("stream", "") for line in error.build_log)
        raise RuntimeError(f"{arguments['tag']} cannot be built: {error}\n{lines[-3000:]}") from None


def busybox() -> Path:
    """Return the path of a static busybox, or skip the test with what to install."""
    found = shutil.which("busybox")
    if found is None:
        pytest.skip("images cannot be pulled, and stand-ins need a static busybox; install busybox-static")
    return Path(found)


def _entry(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _list(arguments: list[str]) -> str:
    return "[" + ", ".join(f'"{argument}"' for argument in arguments) + "]"
