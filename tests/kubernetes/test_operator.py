"""What OpenTelemetry's operator adds to a pod of a Python program makes a run of it, if its image has batchtel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from batchtel.cli.main import main
from tests.support import sink
from tests.support.process import environment

pytestmark = pytest.mark.kubernetes

# Of autoinstrumentation/python/requirements.txt of the operator, what a program without libraries needs.
OPERATOR = (
    *("opentelemetry-distro==0.65b0", "opentelemetry-exporter-otlp-proto-http==1.44.0"),
    *("opentelemetry-instrumentation-logging==0.65b0", "opentelemetry-instrumentation-urllib==0.65b0"),
)

PROGRAM = """
import logging, pathlib, opentelemetry.sdk
logging.getLogger("etl").warning("loaded")
print(pathlib.Path(opentelemetry.sdk.__path__[0]))
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the operator's init container copies into a pod."""
    uv = os.environ.get("UV")
    if uv is None:
        pytest.skip("the operator's packages are installed by uv: call pytest by `uv run`")
    folder = tmp_path_factory.mktemp("otel-auto-instrumentation-python")
    command = [uv, "pip", "install", "--quiet", "--python", sys.executable, "--target", str(folder), *OPERATOR]
    installed = subprocess.run(command, capture_output=True, text=True, check=False)
    if installed.returncode != 0:
        pytest.skip(f"the operator's packages cannot be installed: {installed.stderr}")
    return folder


def test_a_program_is_a_run_of_the_operators_packages(packages: Path, tmp_path: Path) -> None:
    """Under the name that the operator gives the service; the SDK is the operator's, whose folders are first."""
    printed = CliRunner().invoke(main, ["config", "variables", "--env", "production", "--format", "instrumentation"])
    specification = yaml.safe_load(printed.stdout)["spec"]
    given = {one["name"]: one["value"] for one in specification["env"] if "value" in one}
    (tmp_path / "nightly.py").write_text(PROGRAM, encoding="utf-8")
    with sink.running() as receiver:
        of_the_operator = {
            "PYTHONPATH": f"{packages}/opentelemetry/instrumentation/auto_instrumentation:{packages}",
            "OTEL_SERVICE_NAME": "nightly-etl",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_PROPAGATORS": ",".join(specification["propagators"]),
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_METRICS_EXPORTER": "otlp",
            "OTEL_LOGS_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "none",  # the receiver of this test reads no gzip
            "OTEL_RESOURCE_ATTRIBUTES": f"{given['OTEL_RESOURCE_ATTRIBUTES']},k8s.pod.name=nightly-etl-28-x2x",
        }
        finished = subprocess.run(
            [sys.executable, tmp_path / "nightly.py"],
            env=environment(None, given | of_the_operator),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        assert Path(finished.stdout.strip()).is_relative_to(packages)
        (span,) = [one for one in receiver.spans() if one.name.startswith("batch_job.")]
        assert span.name == "batch_job.nightly-etl"
        assert span.resource["deployment.environment.name"] == "production"
        assert [one.body for one in receiver.logs() if one.scope == "etl"] == ["loaded"]
