"""The rule file that Prometheus loads: every alert, for one catalogue and one engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from batchtel_dashboards.alerts import (
    deadlines,
    history_alerts,
    job_alerts,
    links,
    pipeline_alerts,
    schedule_alerts,
    work_alerts,
)
from batchtel_dashboards.alerts.alert import Alert, Condition, Jobs, Record
from batchtel_dashboards.alerts.links import Links
from batchtel_dashboards.engines import ENGINES

_OF_JOBS: Final = (*job_alerts.ALERTS, *schedule_alerts.ALERTS, *work_alerts.ALERTS, *history_alerts.ALERTS)

ALERTS: Final = (*_OF_JOBS, *pipeline_alerts.ALERTS)
"""Every alert."""

_GROUPS: Final = (
    ("batchtel-jobs", links.JOB, _OF_JOBS),
    ("batchtel-pipeline", links.PIPELINE, pipeline_alerts.ALERTS),
)
"""Name, uid of the board that the alerts lead to, and alerts."""

HISTORY: Final = {"name": "batchtel-history", "interval": "2m"}
"""The group of recorded history: means of hours change slowly, and a query reads hours of them."""


def text(jobs: Jobs, aggregation: str, leads: Links = links.DEFAULT) -> str:
    """Return the rule file.

    Args:
        jobs: what the catalogue expects.
        aggregation: `exact` or `stock`, that of the environment.
        leads: where the alerts lead.
    """
    groups: list[dict[str, Any]] = [
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
    groups[0]["rules"] = [*map(_recording, clocks(jobs)), *groups[0]["rules"]]
    groups.insert(0, {**HISTORY, "rules": [*map(_recording, history_alerts.records(ENGINES[aggregation]))]})
    head = "# Made by: batchtel alerts rules\n"
    return head + yaml.safe_dump({"groups": groups}, sort_keys=False, width=1000, allow_unicode=True)


def clocks(jobs: Jobs) -> Iterator[Record]:
    """Yield the recording rules of the clocks that deadlines read, each once."""
    found = dict(job.deadline.clock for job in jobs if job.deadline and job.deadline.clock)
    for (timezone, time), expr in sorted(found.items()):
        yield Record(deadlines.RECORD, expr, {"timezone": timezone, "deadline": time})


def _recording(record: Record) -> dict[str, Any]:
    return {"record": record.name, "expr": record.expr, **({"labels": dict(record.labels)} if record.labels else {})}


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
