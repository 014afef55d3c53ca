"""The rules as resources of the Prometheus Operator, which loads them into the Prometheus of a cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import yaml

from batchtel.version import __version__
from batchtel_dashboards import rules
from batchtel_dashboards.alerts import rule_file
from batchtel_dashboards.alerts.alert import Jobs
from batchtel_dashboards.alerts.links import DEFAULT, Links

RECORDING: Final = "batchtel-recording"
ALERTS: Final = "batchtel-alerts"
"""Names of the resources; those of the alerts after the first one end with -2, -3 and so on."""

LARGEST: Final = 400_000
"""Bytes of the rules of one resource: the operator writes them into a ConfigMap and rejects more than 512 KiB.

https://github.com/prometheus-operator/prometheus-operator/pull/6606.
"""


def text(jobs: Jobs, aggregation: str, leads: Links = DEFAULT) -> str:
    """Return the resources: with `stock` that of the recording rules, then those of the alerts.

    The arguments are those of `rule_file.text`.
    """
    resources = []
    if aggregation == "stock":
        resources.append(_resource(RECORDING, yaml.safe_load(rules.path().read_text(encoding="utf-8"))["groups"]))
    groups = yaml.safe_load(rule_file.text(jobs, aggregation, leads))["groups"]
    for number, part in enumerate(_parts(groups), start=1):
        resources.append(_resource(ALERTS if number == 1 else f"{ALERTS}-{number}", part))
    head = "# Made by: batchtel alerts rules --format kubernetes\n"
    # A rule that is repeated would be an alias, which readers of manifests need not support.
    return head + yaml.dump_all(resources, Dumper=_WithoutAliases, sort_keys=False, width=1000, allow_unicode=True)


def _parts(groups: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield groups of LARGEST bytes at most; a group that is larger goes on in the next part, under its name."""
    part: list[dict[str, Any]] = []
    size = 0
    for group in groups:
        head = {key: content for key, content in group.items() if key != "rules"}
        part.append({**head, "rules": []})
        for rule in group["rules"]:
            room = len(json.dumps(rule, ensure_ascii=False).encode())
            if size + room > LARGEST:
                yield [one for one in part if one["rules"]]
                part, size = [{**head, "rules": []}], 0
            part[-1]["rules"].append(rule)
            size += room
    yield [one for one in part if one["rules"]]


class _WithoutAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _resource(name: str, groups: list[dict[str, Any]]) -> dict[str, Any]:
    labels = {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/version": __version__,
        "app.kubernetes.io/part-of": "batchtel",
        "app.kubernetes.io/managed-by": "batchtel",
    }
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": name, "labels": labels},
        "spec": {"groups": groups},
    }
