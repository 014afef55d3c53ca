"""The rule file that Prometheus loads: every alert, for one catalogue and one engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import yaml

from batchtel_dashboards.alerts import job_alerts, links, pipeline_alerts, work_alerts
from batchtel_dashboards.alerts.alert import Alert, Condition, Jobs
from batchtel_dashboards.alerts.links import Links
from batchtel_dashboards.engines import ENGINES

_OF_JOBS: Final = (*job_alerts.ALERTS, *work_alerts.ALERTS)

ALERTS: Final = (*_OF_JOBS, *pipeline_alerts.ALERTS)
"""Every alert."""

_GROUPS: Final = (
    ("batchtel-jobs", links.JOB, _OF_JOBS),
    ("batchtel-pipeline", links.PIPELINE, pipeline_alerts.ALERTS),
)
"""Name, uid of the board that the alerts lead to, and alerts."""


def text(jobs: Jobs, aggregation: str, leads: Links = links.DEFAULT) -> str:
    """Return the rule file.

    Args:
        jobs: what the catalogue expects.
        aggregation: `exact` or `stock`, that of the environment.
        leads: where the alerts lead.
    """
    groups = [
        {
            "name": name,
            "rules": [
                _rule(alert, condition, leads.annotations(alert.name, board))
                for alert in alerts
                for condition in alert.conditions(jobs, ENGINES[aggregation])
            ],
        }
        for name, board, alerts in _GROUPS
    ]
    head = "# Made by: batchtel alerts rules\n"
    return head + yaml.safe_dump({"groups": groups}, sort_keys=False, width=1000, allow_unicode=True)


def _rule(alert: Alert, condition: Condition, leads: Mapping[str, str]) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": condition.expr,
        **({"for": f"{condition.wait}s"} if condition.wait else {}),
        **({"keep_firing_for": f"{alert.keep}s"} if alert.keep else {}),
        "labels": {"severity": alert.severity, **{key: _literal(text) for key, text in condition.labels.items()}},
        "annotations": {
            "summary": alert.summary,
            "description": condition.description or alert.description,
            **leads,
        },
    }


def _literal(text: str) -> str:
    """Return text that Prometheus, which reads labels of rules as templates, writes as it is."""
    return text.replace("{{", '{{ "{{" }}')
