"""The configuration of Alertmanager: which alerts are one notification, which mute others, and who gets them."""

from __future__ import annotations

from typing import Any, Final

import yaml

from batchtel_dashboards.alerts import job_alerts, pipeline_alerts, work_alerts

HEAD: Final = "# Made by: batchtel alerts alertmanager\n"

OF_JOB: Final = ("job", "deployment_environment_name", "job_name")
"""The labels of one job: its alerts are one notification."""

OF_COLLECTOR: Final = ("alertname", "instance")
"""The labels of one notification about collectors."""

SOURCES: Final = ("cluster", "environment", "prometheus")
"""External labels by which servers of Prometheus differ, where an Alertmanager has several: no alert of one mutes
alerts of another. Where both sides lack a label, they count as equal."""

_WITHOUT_METRICS: Final = r"otlp_(grpc|http)/(loki|victorialogs|tempo|jaeger|vendor)"
"""Exporters of logs and traces: without them no metric is missing."""


def local() -> str:
    """Return the configuration for the local stack: grouped and muted as elsewhere, without notifications."""
    route = {"receiver": "none", "group_by": list(OF_JOB), "routes": [_collectors("none")]}
    return dumped({"route": route, "inhibit_rules": inhibitions(), "receivers": [{"name": "none"}]})


def inhibitions() -> list[dict[str, Any]]:
    """Return the rules by which an alert that is a cause mutes its consequences."""
    absent = [alert.name for alert in (*job_alerts.ALERTS, *work_alerts.ALERTS) if alert.by_absence]
    pipeline = (
        [matcher("alertname", "BatchCollectorDown")],
        [matcher("alertname", "BatchExportFailing"), f'exporter!~"{_WITHOUT_METRICS}"'],
    )
    lost = ("BatchHeartbeatMissing", "BatchZeroThroughput")
    return [
        *(
            {"source_matchers": source, "target_matchers": [matcher("alertname", *absent)], "equal": list(SOURCES)}
            for source in pipeline
        ),
        {
            "source_matchers": [matcher("alertname", "BatchRunLost")],
            "target_matchers": [matcher("alertname", *lost)],
            "equal": [*OF_JOB, *SOURCES],
        },
    ]


def dumped(document: dict[str, Any]) -> str:
    """Return a configuration as YAML."""
    return HEAD + yaml.safe_dump(document, sort_keys=False, width=1000, allow_unicode=True)


def matcher(label: str, *values: str) -> str:
    """Return a matcher of Alertmanager for a label with one of some values, of which several are plain names."""
    if len(values) > 1:
        return f'{label}=~"{"|".join(values)}"'
    text = values[0].replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{label}="{text}"'


def _collectors(receiver: str) -> dict[str, Any]:
    names = [alert.name for alert in pipeline_alerts.ALERTS]
    return {"receiver": receiver, "matchers": [matcher("alertname", *names)], "group_by": list(OF_COLLECTOR)}
