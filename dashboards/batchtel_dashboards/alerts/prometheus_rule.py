"""The rules as resources of the Prometheus Operator, which loads them into the Prometheus of a cluster."""

from __future__ import annotations

from typing import Any, Final

import yaml

from batchtel.version import __version__
from batchtel_dashboards import rules
from batchtel_dashboards.alerts import rule_file
from batchtel_dashboards.alerts.alert import Jobs
from batchtel_dashboards.alerts.links import DEFAULT, Links

NAMES: Final = ("batchtel-recording", "batchtel-alerts")
"""Names of the resources: with `stock` the recording rules, in the order in which a reader needs them; the alerts."""


def text(jobs: Jobs, aggregation: str, leads: Links = DEFAULT) -> str:
    """Return the resources: that of the alerts, and with `stock` that of the recording rules before it.

    Two, because an object of Kubernetes has 1 MiB at most. The arguments are those of `rule_file.text`.
    """
    files = [rules.path().read_text(encoding="utf-8")] if aggregation == "stock" else [""]
    files.append(rule_file.text(jobs, aggregation, leads))
    resources = [_resource(name, yaml.safe_load(file)) for name, file in zip(NAMES, files, strict=True) if file]
    head = "# Made by: batchtel alerts rules --format kubernetes\n"
    # A rule that is repeated would be an alias, which readers of manifests need not support.
    return head + yaml.dump_all(resources, Dumper=_WithoutAliases, sort_keys=False, width=1000, allow_unicode=True)


class _WithoutAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _resource(name: str, file: dict[str, Any]) -> dict[str, Any]:
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
        "spec": file,
    }
