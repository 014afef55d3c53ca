"""The rule file that Prometheus loads: every alert, for one catalogue and one engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import yaml

from batchtel_dashboards.alerts import (
    deadlines,
    history_alerts,
    job_alerts,
    pipeline_alerts,
    schedule_alerts,
    work_alerts,
)
from batchtel_dashboards.alerts.alert import Alert, Condition, Jobs, Record
from batchtel_dashboards.engines import ENGINES

_OF_JOBS: Final = (*job_alerts.ALERTS, *schedule_alerts.ALERTS, *work_alerts.ALERTS, *history_alerts.ALERTS)

ALERTS: Final = (*_OF_JOBS, *pipeline_alerts.ALERTS)
"""Every alert."""

RUNBOOKS: Final = "docs/runbooks"
"""Where runbooks are, if no other address is given."""

_GROUPS: Final = (("batchtel-jobs", _OF_JOBS), ("batchtel-pipeline", pipeline_alerts.ALERTS))

HISTORY: Final = {"name": "batchtel-history", "interval": "2m"}
"""The group of recorded history: means of hours change slowly, and a query reads hours of them."""


def text(jobs: Jobs, aggregation: str, runbooks: str = RUNBOOKS) -> str:
    """Return the rule file.

    Args:
        jobs: what the catalogue expects.
        aggregation: `exact` or `stock`, that of the environment.
        runbooks: address of the folder of runbooks.
    """
    groups: list[dict[str, Any]] = [
        {"name": name, "rules": [rule for alert in alerts for rule in _rules(alert, jobs, aggregation, runbooks)]}
        for name, alerts in _GROUPS
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


def _rules(alert: Alert, jobs: Jobs, aggregation: str, runbooks: str) -> Iterator[dict[str, Any]]:
    for condition in alert.conditions(jobs, ENGINES[aggregation]):
        yield _rule(alert, condition, runbooks)


def _recording(record: Record) -> dict[str, Any]:
    return {"record": record.name, "expr": record.expr, **({"labels": dict(record.labels)} if record.labels else {})}


def _rule(alert: Alert, condition: Condition, runbooks: str) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": condition.expr,
        **({"for": f"{condition.wait}s"} if condition.wait else {}),
        **({"keep_firing_for": f"{alert.keep}s"} if alert.keep else {}),
        "labels": {"severity": alert.severity, **{key: _literal(text) for key, text in condition.labels.items()}},
        "annotations": {
            "summary": alert.summary,
            "description": condition.description or alert.description,
            "runbook_url": f"{runbooks.rstrip('/')}/{alert.name}.md",
        },
    }


def _literal(text: str) -> str:
    """Return text that Prometheus, which reads labels of rules as templates, writes as it is."""
    return text.replace("{{", '{{ "{{" }}')
