"""The values are accepted by the real chart, and its release by a real API server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from batchtel_collector.environment.role_variants import variants
from batchtel_collector.render.formats import formatted
from tests.kubernetes.cluster import ZONES, Cluster

pytestmark = pytest.mark.kubernetes


@pytest.fixture(scope="module")
def chart() -> str:
    """The folder or archive of the chart; BATCHTEL_TEST_CHART names it, as no registry of packages has it."""
    named = os.environ.get("BATCHTEL_TEST_CHART")
    if not named:
        pytest.skip(
            "the chart is in no registry of packages; `helm pull --untar open-telemetry/opentelemetry-collector`, and "
            "name the folder in BATCHTEL_TEST_CHART"
        )
    return named


@pytest.mark.parametrize(("name", "role"), [("production", "agent"), ("production", "gateway"), ("vendor", None)])
def test_a_release_has_what_the_manifests_have(
    cluster: Cluster, chart: str, tmp_path: Path, name: str, role: str | None
) -> None:
    """By the schema of the chart's values, at the same level of Pod Security admission, on the same nodes."""
    (variant,) = variants(name, role)
    namespace = f"release-{variant.stem}"
    cluster.namespace(namespace, "privileged" if role == "agent" else "restricted")
    release = f"batchtel-{role}" if role else "batchtel"
    values = tmp_path / "values.yaml"
    values.write_text(formatted(variant.environment(), "helm", variant.stem), encoding="utf-8")
    installing = ("upgrade", "--install", release, chart, "--namespace", namespace, "--values", str(values))
    installed = cluster.run("helm", *installing)
    assert installed.returncode == 0, installed.stderr
    assert "violate" not in installed.stderr
    found = cluster.pods(namespace, len(ZONES) if role == "agent" else 3 if role else 1)
    ours = _specification(cluster, variant, "manifests-" + variant.stem)
    for pod in found:
        assert _compared(pod["spec"]) == ours
    kinds = ("networkpolicies", "serviceaccounts", *(["poddisruptionbudgets"] if role == "gateway" else []))
    for kind in kinds:
        assert release in {one["metadata"]["name"] for one in cluster.items(kind, namespace)}
    removed = cluster.run("helm", "uninstall", release, "--namespace", namespace)
    assert removed.returncode == 0, removed.stderr


def _specification(cluster: Cluster, variant: Any, namespace: str) -> dict[str, Any]:
    """Return what a pod of the manifests has."""
    agent = variant.role == "agent"
    cluster.namespace(namespace, "privileged" if agent else "restricted")
    if agent:
        # The class belongs to the cluster, and to the release of the chart while it is installed.
        cluster.succeed("delete", "priorityclass", f"batchtel-agent-{variant.name}")
    text = formatted(variant.environment(), "kubernetes", variant.stem)
    assert cluster.apply(text, namespace).returncode == 0
    pod = cluster.pods(namespace, len(ZONES) if agent else len(_replicas(variant)))[0]
    cluster.succeed("delete", "daemonsets,statefulsets", "--all", "--namespace", namespace, "--wait=false")
    return _compared(pod["spec"])


def _replicas(variant: Any) -> list[str]:
    settings = variant.environment()
    return list(settings.gateways.endpoints) if settings.gateways else ["one"]


def _compared(pod: dict[str, Any]) -> dict[str, Any]:
    """Return what has to be the same however a pod was made: what it may do, what it mounts, and where it runs."""
    (container,) = pod["containers"]
    keys = ("securityContext", "resources", "image", "startupProbe", "livenessProbe", "readinessProbe")
    found = {key: container[key] for key in keys}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        found[probe] = {**found[probe], "httpGet": found[probe]["httpGet"]["path"]}
    mounts = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
    variables = {one["name"] for one in container["env"]}
    of_the_chart = ("MY_POD_IP", "OTEL_K8S_", "K8S_", "GOMEMLIMIT")
    init = [{key: one[key] for key in ("image", "command", "securityContext")} for one in pod["initContainers"]]
    shared = ("securityContext", "automountServiceAccountToken", "terminationGracePeriodSeconds", "priorityClassName")
    return {
        **found,
        **{key: pod.get(key) for key in (*shared, "topologySpreadConstraints")},
        "tolerates": {"operator": "Exists"} in pod["tolerations"],
        "mounts": {path: name for path, name in mounts.items() if not path.startswith(("/conf", "/etc/batchtel/conf"))},
        "variables": {name for name in variables if not name.startswith(of_the_chart)},
        "init": init,
    }
