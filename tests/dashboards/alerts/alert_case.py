"""Evaluate one alert over given samples with the real promtool."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from batchtel.catalogue.reader import parse
from batchtel_dashboards import rules
from batchtel_dashboards.alerts import expected, rule_file
from batchtel_dashboards.alerts.links import Links

CATALOGUE: Final = """
[jobs.nightly]
owner = "ada@example.com"
team = "sales"
schedule = { cron = "0 2 * * *" }
sla = { max_duration = "1h", max_data_age = "2h" }

[jobs.resting]
paused = true
schedule = { cron = "0 2 * * *" }
"""
"""Daily, with an hour: BatchNotRunRecently has the limit of 25 hours."""

LINKS: Final = Links("https://example.com/runbooks")


@dataclass(frozen=True)
class Firing:
    """An alert as it is expected: all its labels but `severity`, and the texts of its annotations."""

    labels: Mapping[str, str]
    summary: str
    description: str


@dataclass(frozen=True)
class AlertCase:
    """Samples, and what fires when.

    Attributes:
        alert: its name.
        story: what happens, for the test's name.
        samples: series -> values in promtool's notation, the first at time 0. `z` is the zero before the first value
            of a total, which only exact has; with stock, series have the label `boot`.
        fires: time such as `20m` -> what fires then.
        interval: between two samples and between two evaluations.
        engines: those that the case is about.
    """

    alert: str
    story: str
    samples: Mapping[str, str]
    fires: Mapping[str, Sequence[Firing]]
    interval: str = "15s"
    engines: Sequence[str] = ("exact", "stock")


def evaluate(promtool: Path, folder: Path, case: AlertCase, engine: str) -> str:
    """Return promtool's output about a case; "" if it agrees."""
    content = yaml.safe_load(rule_file.text(expected.jobs(parse(CATALOGUE)), engine, LINKS))
    severity = next(alert.severity for alert in rule_file.ALERTS if alert.name == case.alert)
    for group in content["groups"]:
        group["rules"] = [rule for rule in group["rules"] if rule["alert"] == case.alert]
    (folder / "alerts.yaml").write_text(yaml.safe_dump(content, width=1000))
    (folder / "rules.yaml").write_text(_recorded(case) if engine == "stock" else "groups: []\n")
    test = {
        "rule_files": ["rules.yaml", "alerts.yaml"],
        "evaluation_interval": case.interval,
        "group_eval_order": [rules.GROUP] * (engine == "stock") + [group["name"] for group in content["groups"]],
        "tests": [
            {
                "interval": case.interval,
                "input_series": [_series(name, values, engine) for name, values in case.samples.items()],
                "alert_rule_test": [_expected(case.alert, at, all_, severity) for at, all_ in case.fires.items()],
            }
        ],
    }
    (folder / "test.yaml").write_text(yaml.safe_dump(test, width=1000))
    done = subprocess.run(
        [promtool, "test", "rules", "test.yaml"], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _series(name: str, values: str, engine: str) -> dict[str, str]:
    if engine == "exact":
        return {"series": name, "values": values.replace("z", "0")}
    with_boot = name if "boot=" in name or not name.startswith("batch_") else name.replace("{", '{boot="1",')
    return {"series": with_boot, "values": values.replace("z", "_")}


def _expected(alert: str, at: str, firing: Sequence[Firing], severity: str) -> dict[str, Any]:
    return {
        "eval_time": at,
        "alertname": alert,
        "exp_alerts": [
            {
                "exp_labels": {**one.labels, "severity": severity},
                "exp_annotations": {
                    "summary": one.summary,
                    "description": one.description,
                    "runbook_url": f"{LINKS.runbooks}/{alert}.md",
                },
            }
            for one in firing
        ],
    }


def _recorded(case: AlertCase) -> str:
    """Return the recording rules about the metrics of the case, in place: all of them need 20 times as long."""
    content = yaml.safe_load(rules.text())
    names = tuple(series.partition("{")[0].removesuffix("_total") for series in case.samples)
    for group in content["groups"]:
        group["rules"] = [rule for rule in group["rules"] if any(name in rule["expr"] for name in names)]
    return yaml.safe_dump(content, sort_keys=False, width=1000)
