"""Environments with odd values, in the formats of platforms: kept as they are, or rejected with what to write."""

from __future__ import annotations

import kubernetes_validate
import pytest
import yaml

from batchtel_collector.environment.load import load
from batchtel_collector.render import formats
from batchtel_collector.render.formats import FormatError, formatted

KUBERNETES = "1.37"


@pytest.mark.parametrize("name", ["123", "true", "on", "1e3", "0x1f", "1_000", "null"])
def test_a_name_that_yaml_reads_otherwise_is_text(name: str) -> None:
    """Kubernetes rejects a label that is a number or a boolean."""
    environment = load("production", {"name": name}, "gateway")
    for manifest in yaml.safe_load_all(formatted(environment, "kubernetes", "mine")):
        assert manifest["metadata"]["labels"]["app.kubernetes.io/instance"] == name
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    found = yaml.safe_load(formatted(environment, "compose", "mine"))
    assert found["name"] == f"batchtel-gateway-{name}"


def test_folders_keep_their_characters() -> None:
    """A space, a comma, a brace and a colon are part of a path in every format."""
    folder = "/var/lib/my queue, {a}: #b"
    environment = load("production", {"queue": {"folder": folder}}, "agent")
    workload = next(
        one for one in yaml.safe_load_all(formatted(environment, "kubernetes", "mine")) if one["kind"] == "DaemonSet"
    )
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    assert folder in [mount["mountPath"] for mount in container["volumeMounts"]]
    chart = yaml.safe_load(formatted(environment, "helm", "mine"))
    assert folder in [mount["mountPath"] for mount in chart["extraVolumeMounts"]]
    composed = yaml.safe_load(formatted(environment, "compose", "mine"))
    assert folder in [volume["target"] for volume in composed["services"]["batchtel-agent"]["volumes"]]


def test_commands_of_the_header_name_the_files_that_are_read() -> None:
    """A key of another name would leave the collector without its file."""
    own = {"prometheus": {"ca": "/etc/acme/stores-ca.pem"}, "loki": {"token": "/etc/shop/loki-token"}}
    header = formatted(load("production", own, "gateway"), "kubernetes", "mine").partition("\napiVersion")[0]
    assert "#   kubectl create configmap acme --from-file=stores-ca.pem=FILE    mounted at /etc/acme\n" in header
    assert "#   kubectl create secret generic shop --from-file=loki-token=FILE    mounted at /etc/shop\n" in header


@pytest.mark.parametrize("form", ["kubernetes", "helm", "compose"])
def test_a_mount_that_would_hide_files_of_the_image_is_rejected(form: str) -> None:
    """A CA beside those of the image would be the only one."""
    environment = load("production", {"prometheus": {"ca": "/etc/ssl/certs/corp.pem"}}, "gateway")
    with pytest.raises(FormatError) as refused:
        formatted(environment, form, "mine")
    assert str(refused.value) == (
        "production: a file is read in /etc/ssl/certs, and a mount would hide what the image has there; "
        "put the file into a folder of its own, such as /etc/batchtel/ca"
    )


def test_a_configuration_that_no_object_holds_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API server would reject it, as that of 30,000 jobs; the configuration alone is rendered."""
    monkeypatch.setattr(formats, "_LARGEST", 50_000)
    environment = load("production", role="gateway")
    with pytest.raises(
        FormatError, match=r"production: the configuration has 5\d,\d{3} bytes, and an object of Kubernetes"
    ):
        formatted(environment, "kubernetes", "mine")
    assert formatted(environment, "collector", "mine")


def test_environments_share_no_object_of_the_cluster() -> None:
    """What has no namespace has the name of the environment, so that no other one removes it."""
    names = set()
    for name in ("production", "my_other"):
        for one in yaml.safe_load_all(formatted(load("production", {"name": name}, "agent"), "kubernetes", "mine")):
            if one["kind"] == "PriorityClass":
                names.add(one["metadata"]["name"])
    assert names == {"batchtel-agent-production", "batchtel-agent-my-other"}
