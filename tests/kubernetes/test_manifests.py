"""What is rendered is accepted by a real API server, strictly, and becomes pods on nodes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from batchtel_collector.environment.load import load
from batchtel_collector.environment.role_variants import Variant, variants
from batchtel_collector.render.formats import formatted, forms
from tests.kubernetes.cluster import ZONES, Cluster

pytestmark = pytest.mark.kubernetes

IN_PODS = [one for one in variants() if "kubernetes" in forms(one.environment())]


def manifests(variant: Variant) -> str:
    """Return the manifests of a variant."""
    return formatted(variant.environment(), "kubernetes", variant.stem)


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace that is deleted with what the test made in it, once its workloads are gone."""
    name = request.node.name.replace("[", "-").rstrip("]").replace("_", "-")[-60:].strip("-")
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")
    for kind in ("daemonsets", "statefulsets", "pods", "persistentvolumeclaims"):
        cluster.kubectl("delete", kind, "--all", "--namespace", name, "--wait=false", "--grace-period=0", "--force")


@pytest.mark.parametrize("variant", IN_PODS, ids=lambda variant: variant.stem)
def test_a_file_is_applied_and_becomes_pods(cluster: Cluster, namespace: str, variant: Variant) -> None:
    """Strictly, without a warning, twice; an agent on each node, a tainted one too; gateways on different nodes."""
    cluster.namespace(namespace, "privileged" if variant.role == "agent" else "restricted")
    for _ in range(2):
        applied = cluster.apply(manifests(variant), namespace)
        assert (applied.returncode, applied.stderr) == (0, ""), applied.stderr
    if variant.role == "agent":
        nodes = [pod["spec"]["nodeName"] for pod in cluster.pods(namespace, len(ZONES))]
        assert sorted(nodes) == sorted(ZONES)
        return
    settings = variant.environment()
    count = len(settings.gateways.endpoints) if settings.gateways else 1
    found = cluster.pods(namespace, count)
    assert [pod["metadata"]["name"].rpartition("-")[2] for pod in found] == [str(index) for index in range(count)]
    assert len({ZONES[pod["spec"]["nodeName"]] for pod in found}) == count
    assert "tainted" not in {pod["spec"]["nodeName"] for pod in found}


@pytest.mark.parametrize("role", ["agent", "gateway"])
def test_every_part_of_a_file_is_applied(cluster: Cluster, namespace: str, role: str) -> None:
    """With what no shipped environment has: `stock`, StatsD, a header that is a secret, a CA of senders, a long name.

    And with a gateway more than there are nodes for them: the tainted node does not count as one without a gateway.
    """
    more = {
        "name": "of-a-team-with-a-name-that-is-longer-than-63-characters-which-a-label-cannot-have",
        "aggregation": "stock",
        "gateways": {"endpoints": [f"batchtel-gateway-{index}.batchtel-gateway:4317" for index in range(4)]},
        "listen": {"statsd": "0.0.0.0:8125" if role == "gateway" else None},
        "tls": {"client_ca": "/etc/senders/ca.crt"},
        "vendor": {"endpoint": "https://otlp.example.com:8443", "headers": {"api-key": "${env:VENDOR_API_KEY}"}},
        "images": {"collector": "registry.example.com:5000/collector@sha256:" + 64 * "0"},
    }
    environment = load("production", more, role)
    cluster.namespace(namespace, "privileged" if role == "agent" else "restricted")
    applied = cluster.apply(formatted(environment, "kubernetes", "more"), namespace)
    assert (applied.returncode, applied.stderr) == (0, "")
    (workload,) = cluster.items("daemonsets" if role == "agent" else "statefulsets", namespace)
    found = workload["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in found["volumes"]}
    assert volumes["senders"]["configMap"]["name"] == "senders"
    assert len(cluster.pods(namespace, 4)) == len(ZONES)


@pytest.mark.parametrize("change", [{"hostNetwork": True}, {"unknown": True}])
def test_what_is_wrong_is_rejected(cluster: Cluster, namespace: str, change: dict[str, bool]) -> None:
    """The check can fail: a key that does not exist, and a pod that the level of the namespace forbids."""
    cluster.namespace(namespace, "restricted")
    (gateway,) = variants("production", "gateway")
    documents = list(yaml.safe_load_all(manifests(gateway)))
    workload = next(one for one in documents if one["kind"] == "StatefulSet")
    workload["spec"]["template"]["spec"].update(change)
    applied = cluster.apply(yaml.safe_dump_all(documents), namespace)
    assert applied.stderr != ""
    assert applied.returncode == (1 if "unknown" in change else 0)


def test_agents_need_the_level_privileged_only_for_their_folder(cluster: Cluster, namespace: str) -> None:
    """The hostPath, and the init container that is root for its sake, are all that `restricted` forbids."""
    cluster.namespace(namespace, "restricted")
    (agent,) = variants("production", "agent")
    applied = cluster.apply(manifests(agent), namespace)
    assert applied.returncode == 0
    (warning,) = [line for line in applied.stderr.splitlines() if "violate" in line]
    complaints = sorted(
        part.split(" (")[0].split(": ")[-1].strip() for part in warning.split('"restricted:latest": ')[1].split("), ")
    )
    assert complaints == ["restricted volume types", "runAsNonRoot != true", "runAsUser=0", "unrestricted capabilities"]


def test_every_secret_is_one_that_the_role_needs(cluster: Cluster, namespace: str) -> None:
    """What the API server keeps of an agent has no reference to the token of the stores, nor to a gateway's key."""
    cluster.namespace(namespace, "privileged")
    for role, expected in (
        ("agent", {"batchtel-token", "batchtel-metrics-token", "batchtel-agent-tls"}),
        ("gateway", {"batchtel-token", "batchtel-stores-token", "batchtel-gateway-tls"}),
    ):
        (variant,) = variants("production", role)
        assert cluster.apply(manifests(variant), namespace).returncode == 0
        kind = "daemonsets" if role == "agent" else "statefulsets"
        (workload,) = cluster.items(kind, namespace)
        assert _secrets(workload) == expected
        assert "secretKeyRef" not in json.dumps(workload)


def _secrets(workload: dict[str, Any]) -> set[str]:
    found = set()
    for volume in workload["spec"]["template"]["spec"]["volumes"]:
        if "secret" in volume:
            found.add(volume["secret"]["secretName"])
        for source in volume.get("projected", {}).get("sources", []):
            found.add(source["secret"]["name"])
    return found
