"""The configuration of Alertmanager: which alerts are one notification, which mute others, and who gets them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import yaml

from batchtel_dashboards.alerts import pipeline_alerts, receivers, rule_file
from batchtel_dashboards.alerts.receivers import Receivers

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


def text(teams: Iterable[str], rest: str, where: Receivers) -> str:
    """Return a whole configuration: a team gets the alerts of its jobs, by their severity.

    Args:
        teams: the teams of the catalogue.
        rest: the team that gets all other alerts: about collectors, and about jobs of no team.
        where: the receivers of each team.
    """
    teams = sorted(set(teams))
    collectors = {**_collectors(receivers.name(rest, "warning")), "routes": [_critical(rest)]}
    own = [
        {
            "receiver": receivers.name(team, "warning"),
            "matchers": [matcher("team", team)],
            "routes": [_critical(team)],
        }
        for team in teams
    ]
    route = {
        "receiver": receivers.name(rest, "warning"),
        "group_by": list(OF_JOB),
        "group_wait": "30s",
        "group_interval": "5m",
        "repeat_interval": "12h",
        "routes": [collectors, *own, _critical(rest)],
    }
    everybody = sorted({*teams, rest})
    document = {
        "route": route,
        "inhibit_rules": inhibitions(),
        "receivers": [where.of(team, severity) for team in everybody for severity in ("critical", "warning")],
    }
    settings = where.global_settings()
    return dumped({"global": settings, **document} if settings else document)


def local() -> str:
    """Return the configuration for the local stack: grouped and muted as elsewhere, without notifications."""
    route = {"receiver": "none", "group_by": list(OF_JOB), "routes": [_collectors("none")]}
    return dumped({"route": route, "inhibit_rules": inhibitions(), "receivers": [{"name": "none"}]})


def inhibitions() -> list[dict[str, Any]]:
    """Return the rules by which an alert that is a cause mutes its consequences."""
    absent = [alert.name for alert in rule_file.ALERTS if alert.by_absence]
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


def _critical(team: str) -> dict[str, Any]:
    name = receivers.name(team, "critical")
    return {"receiver": name, "matchers": [matcher("severity", "critical")], "repeat_interval": "4h"}


def _collectors(receiver: str) -> dict[str, Any]:
    names = [alert.name for alert in pipeline_alerts.ALERTS]
    return {"receiver": receiver, "matchers": [matcher("alertname", *names)], "group_by": list(OF_COLLECTOR)}
