"""The resources of two operators, and a Job of the pages, are accepted by a real API server with their definitions."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from batchtel.cli.main import main
from batchtel_stack import toolchain
from tests.kubernetes.cluster import Cluster
from tests.support.polling import until

pytestmark = pytest.mark.kubernetes

PROMETHEUS_OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.85.0"


def _prometheus_operator() -> Path:
    """Return the folder of the module, which Go fetches and compares with its database of checksums."""
    go = toolchain.find(print)
    command: list[str | Path] = [go, "mod", "download", "-json", PROMETHEUS_OPERATOR]
    finished = subprocess.run(
        command, cwd="/", env=toolchain.environment(), capture_output=True, text=True, check=False
    )
    if finished.returncode != 0:
        pytest.skip(f"the definition of PrometheusRule cannot be fetched: {finished.stdout}{finished.stderr}")
    return Path(json.loads(finished.stdout)["Dir"])


def _define(cluster: Cluster, file: Path, resource: str) -> None:
    cluster.succeed("apply", "--server-side", "--filename", str(file))
    cluster.succeed("wait", "--for=condition=Established", f"customresourcedefinition/{resource}", "--timeout=30s")
    until(f"{resource} to be served", lambda: cluster.kubectl("get", resource, "-A").returncode == 0 or None, 30)


def _printed(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("aggregation", ["exact", "stock"])
def test_rules_are_resources_of_the_prometheus_operator(cluster: Cluster, aggregation: str, tmp_path: Path) -> None:
    """No key that the operator would drop; with the owners of a catalogue."""
    folder = _prometheus_operator() / "example" / "prometheus-operator-crd"
    _define(cluster, folder / "monitoring.coreos.com_prometheusrules.yaml", "prometheusrules.monitoring.coreos.com")
    catalogue = tmp_path / "jobs.toml"
    catalogue.write_text('[jobs.nightly_etl]\nowner = "ada@example.com"\nteam = "sales"\n')
    options = ("--format", "kubernetes", "--aggregation", aggregation, "--catalogue", str(catalogue))
    cluster.namespace(f"rules-{aggregation}", "restricted")
    text = _printed("alerts", "rules", *options)
    applied = cluster.apply(text, f"rules-{aggregation}")
    assert (applied.returncode, applied.stderr) == (0, "")
    broken = cluster.apply(text.replace("keep_firing_for", "keep_burning_for"), f"rules-{aggregation}")
    assert ".keep_burning_for: field not declared in schema" in broken.stderr


def test_the_instrumentation_is_one_of_the_operator(cluster: Cluster) -> None:
    """With the definition in the file that BATCHTEL_TEST_INSTRUMENTATION_CRD names: its module is not served to Go."""
    named = os.environ.get("BATCHTEL_TEST_INSTRUMENTATION_CRD")
    if not named:
        pytest.skip(
            "the definition of Instrumentation is in no package; download config/crd/bases/"
            "opentelemetry.io_instrumentations.yaml of open-telemetry/opentelemetry-operator, and name the file in "
            "BATCHTEL_TEST_INSTRUMENTATION_CRD"
        )
    _define(cluster, Path(named), "instrumentations.opentelemetry.io")
    cluster.namespace("instrumented", "restricted")
    text = _printed("config", "variables", "--env", "production", "--format", "instrumentation")
    applied = cluster.apply(text, "instrumented")
    assert (applied.returncode, applied.stderr) == (0, "")
    broken = yaml.safe_load(text)
    broken["spec"]["exporter"]["tls"]["ca"] = "ca.crt"
    assert ".tls.ca: field not declared in schema" in cluster.apply(yaml.safe_dump(broken), "instrumented").stderr
