"""Variables of jobs for Kubernetes: with the mounts that they name, and as a resource of OpenTelemetry's operator."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from batchtel_collector.environment.load import load
from batchtel_collector.render.job_variables import text


def printed(form: str, name: str = "production", **jobs: str | None) -> Any:
    """Return what is printed of an environment with other variables of jobs."""
    return yaml.safe_load(text(load(name, {"jobs": jobs} if jobs else {}), form))


def test_every_file_that_a_variable_names_is_mounted() -> None:
    """The CA from the ConfigMap of the agents, which has no key; the spool can be written."""
    found = printed("kubernetes")
    variables = {one["name"]: one.get("value") for one in found["env"]}
    mounts = {mount["mountPath"]: mount for mount in found["volumeMounts"]}
    assert variables["OTEL_EXPORTER_OTLP_CERTIFICATE"] == "/etc/batchtel/ca/ca.crt"
    assert mounts["/etc/batchtel/ca"] == {"name": "batchtel-ca", "mountPath": "/etc/batchtel/ca", "readOnly": True}
    assert "readOnly" not in mounts[variables["BATCHTEL_SPOOL_DIR"]]
    volumes = {volume.pop("name"): volume for volume in found["volumes"]}
    assert volumes == {
        "batchtel-ca": {"configMap": {"name": "batchtel-ca"}},
        "batchtel-spool": {"emptyDir": {"sizeLimit": "128Mi"}},
    }


def test_a_folder_that_a_variable_decides_is_not_mounted() -> None:
    """A mount cannot refer to the environment of its container; a default is used."""
    found = printed("kubernetes", spool="${env:MINE}/spool", ca="${env:CA:-/etc/own}/ca.crt")
    assert [mount["mountPath"] for mount in found["volumeMounts"]] == ["/etc/own"]
    assert [volume["name"] for volume in found["volumes"]] == ["own"]


@pytest.mark.parametrize("form", ["kubernetes", "instrumentation"])
def test_secrets_are_references(form: str) -> None:
    """To the Secret of the variable, before the first variable that refers to it."""
    found = printed(form)
    env = found["env"] if form == "kubernetes" else found["spec"]["env"]
    assert env[0]["name"] == "BATCHTEL_TOKEN"
    assert env[0]["valueFrom"] == {"secretKeyRef": {"name": "batchtel-token", "key": "BATCHTEL_TOKEN"}}
    assert {"name": "OTEL_EXPORTER_OTLP_HEADERS", "value": "authorization=Bearer%20$(BATCHTEL_TOKEN)"} in env


def test_nothing_is_mounted_where_no_variable_names_a_file() -> None:
    """Of an environment without TLS and spool there is `env` only."""
    assert set(printed("kubernetes", "local")) == {"env"}
    assert "tls" not in printed("instrumentation", "local")["spec"]["exporter"]
