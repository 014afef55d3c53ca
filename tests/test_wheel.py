"""The wheel alone is the job side: it runs jobs without the extras, and names what to install for the rest."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sink import Sink, running
from tests.support.uv import ROOT, uv

INSTALL_SECONDS = 240


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [uv(), "build", "--quiet", "--wheel", "--out-dir", folder, ROOT], check=True, timeout=INSTALL_SECONDS
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the commands of an environment with the wheel in it, and no extra."""
    return _install(str(wheel), tmp_path_factory)


@pytest.fixture(scope="module")
def platform(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the commands of an environment with the wheel and its platform extra in it."""
    return _install(f"{wheel}[platform]", tmp_path_factory)


def _install(what: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([uv(), "venv", "--quiet", "--python", sys.executable, folder], check=True, timeout=INSTALL_SECONDS)
    subprocess.run(
        [uv(), "pip", "install", "--quiet", "--python", folder / "bin" / "python", what],
        check=True,
        timeout=INSTALL_SECONDS,
    )
    return folder / "bin"


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A receiver of OTLP over HTTP that answers."""
    with running() as receiver:
        yield receiver


def _call(*command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_holds_every_file_that_the_packages_read(wheel: Path) -> None:
    """What git tracks below the four packages is in the wheel, templates and locked modules included."""
    packages = ["instrumentation/batchtel", "collector/batchtel_collector", "dashboards/batchtel_dashboards",
                "compose/batchtel_stack"]  # fmt: skip
    tracked = {
        file.relative_to(ROOT / package.partition("/")[0]).as_posix()
        for package in packages
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    with zipfile.ZipFile(wheel) as opened:
        assert tracked - set(opened.namelist()) == set()


def test_holds_what_starts_containers(wheel: Path) -> None:
    """compose.yaml, its settings and the files that it mounts; a name that begins with a dot, too."""
    compose = ROOT / "compose"
    files = [compose / "compose.yaml", compose / ".env", *(compose / "configuration").rglob("*")]
    expected = {f"batchtel_stack/containers/{file.relative_to(compose)}" for file in files if file.is_file()}
    with zipfile.ZipFile(wheel) as opened:
        assert {name for name in opened.namelist() if "/containers/" in name} == expected


def test_runs_a_job_without_extras(installed: Path, sink: Sink) -> None:
    """A job, a command and an instrumented program are recorded, over HTTP; gRPC is there to be imported."""
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test"}
    code = "import batchtel\nwith batchtel.job('plain') as job: job.records(processed=1)"
    commands: list[list[str | Path]] = [
        [installed / "python", "-c", code],
        [installed / "batchtel", "run", "--job", "command", "--", "true"],
        [installed / "opentelemetry-instrument", installed / "python", "-c", "pass"],
    ]
    for command in commands:
        ended = _call(*command, **endpoint, BATCHTEL_JOB="instrumented")
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", ""), command
    assert {span.name for span in sink.spans()} == {"batch_job.plain", "batch_job.command", "batch_job.instrumented"}
    assert _call(installed / "python", "-c", "import opentelemetry.exporter.otlp.proto.grpc").returncode == 0


@pytest.mark.parametrize("command", ["stack up", "config render", "demo"])
def test_names_what_to_install(installed: Path, command: str) -> None:
    """A command that needs an extra names it, with the line to type."""
    ended = _call(installed / "batchtel", *command.split())
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"error: `batchtel {command}` needs the platform extra (")
    assert ended.stderr.endswith("pip install 'batchtel[platform]'\n")


def test_renders_as_the_checkout_does(platform: Path) -> None:
    """Templates and environments come with the wheel."""
    ended = _call(platform / "batchtel", "config", "render", "--env", "local")
    committed = ROOT / "collector" / "batchtel_collector" / "rendered" / "local.yaml"
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == committed.read_text()


def test_the_catalogue_needs_no_extra(installed: Path, tmp_path: Path) -> None:
    """Who runs jobs can begin and check a catalogue with the wheel alone."""
    begun = _call(installed / "batchtel", "jobs", "init", tmp_path / "jobs.toml")
    assert (begun.returncode, begun.stderr) == (0, "")
    checked = _call(installed / "batchtel", "jobs", "check", tmp_path / "jobs.toml")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout == f"{tmp_path}/jobs.toml is valid: 3 jobs, 2 with an SLA\n"
