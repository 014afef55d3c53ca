"""Each alert is silent before, fires at its limit with its labels and texts, and is resolved: on a real promtool."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from batchtel.base.identity import bounded
from batchtel.catalogue.cron import Cron
from batchtel.catalogue.keys import Schedule
from batchtel.catalogue.reader import parse
from batchtel_dashboards.alerts import expected, rule_file, schedule_alerts
from batchtel_dashboards.alerts.alert import Job
from batchtel_dashboards.engines import ENGINES
from tests.dashboards.alerts import history_cases, job_cases, pipeline_cases, schedule_cases, work_cases
from tests.dashboards.alerts.alert_case import CATALOGUE, AlertCase, evaluate

ROOT = Path(__file__).parents[3]
MODULES = (job_cases, schedule_cases, work_cases, history_cases, pipeline_cases)
CASES = [(case, engine) for module in MODULES for case in module.CASES for engine in case.engines]
NAMES = [alert.name for alert in rule_file.ALERTS]


@pytest.mark.parametrize(("case", "engine"), CASES, ids=[f"{case.alert}-{e}-{case.story}" for case, e in CASES])
def test_case(promtool: Path, tmp_path: Path, case: AlertCase, engine: str) -> None:
    """Promtool's alerts are the case's."""
    assert evaluate(promtool, tmp_path, case, engine) == ""


@pytest.mark.parametrize("engine", ENGINES)
def test_lint(promtool: Path, tmp_path: Path, engine: str) -> None:
    """No rule is one that Prometheus refuses or that its linter finds, with a catalogue and without."""
    for number, jobs in enumerate((expected.jobs(parse(CATALOGUE)), ())):
        (tmp_path / f"{number}.yaml").write_text(rule_file.text(jobs, engine))
    files = [str(path) for path in sorted(tmp_path.iterdir())]
    command = [str(promtool), "check", "rules", "--lint=all", "--lint-fatal", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_cases_and_a_runbook() -> None:
    """Alerts, those that fire in a case of each engine, runbooks and rows of the page are the same."""
    for engine in ENGINES:
        assert {case.alert for case, of in CASES if of == engine and any(case.fires.values())} == set(NAMES)
        assert {case.alert for case, of in CASES if of == engine and not any(case.fires.values())} <= set(NAMES)
    assert {path.stem for path in (ROOT / "docs/runbooks").iterdir()} == set(NAMES)
    page = (ROOT / "docs/alerts.md").read_text()
    rows = re.findall(r"^\| \[(\w+)\]\(runbooks/(\w+)\.md\) \| (\w+) \| (.+) \|$", page, re.MULTILINE)
    assert rows == [(one.name, one.name, one.severity, one.meaning) for one in rule_file.ALERTS]


@pytest.mark.parametrize("name", NAMES)
def test_runbook(name: str) -> None:
    """A runbook has its four parts, in order."""
    text = (ROOT / f"docs/runbooks/{name}.md").read_text()
    assert re.findall(r"^#+ (.+)$", text, re.MULTILINE) == [name, "Meaning", "Impact", "Diagnosis", "Mitigation"]


@pytest.mark.parametrize("name", NAMES)
def test_queries_of_runbooks_are_promql(promtool: Path, tmp_path: Path, name: str) -> None:
    """Each block of PromQL in a runbook is valid."""
    text = (ROOT / f"docs/runbooks/{name}.md").read_text()
    queries = re.findall(r"^```promql\n(.+?)\n```$", text, re.MULTILINE | re.DOTALL)
    assert queries
    recorded = [{"record": f"a:{number}", "expr": query} for number, query in enumerate(queries)]
    recorded = [{**rule, "record": rule["record"].replace(":", ":q")} for rule in recorded]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": recorded}]}))
    done = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("cron", "zone", "hours"),
    [
        ("30 22 * * *", "UTC", 24),
        ("30 22 * * *", "Europe/Berlin", 25),
        ("0 9 * * mon-fri", "UTC", 72),
        ("0 9-17 * * *", "Europe/Berlin", 17),
        ("0 0 1 * *", "UTC", 31 * 24),
        ("0 0 1 1,2,6 *", "UTC", 214 * 24),
        ("*/5 * * * *", "Europe/Berlin", 1),
        ("0 0 1 7 *", "UTC", 365 * 24),
        ("0 0 29 2 *", "UTC", 366 * 24),
    ],
)
def test_longest_gap(cron: str, zone: str, hours: float) -> None:
    """The longest gap of a whole year counts: weekends, months, and the hour that clocks add."""
    assert expected.longest_gap(Schedule(cron=Cron.of(cron), timezone=zone)) == hours * 3600


def test_a_gap_longer_than_metrics_are_kept_has_no_rule() -> None:
    """A yearly job would fire as soon as its last success expires; a paused job is not expected to run."""
    jobs = 'schedule = { cron = "0 0 1 1 *" }\n[jobs.b]\npaused = true\nschedule = { every = "1h" }'
    leap = '[jobs.c]\nschedule = { cron = "0 0 29 2 *" }'
    assert "BatchNotRunRecently" not in rule_file.text(expected.jobs(parse(f"[jobs.a]\n{jobs}\n{leap}")), "exact")


def test_a_long_name_is_the_bounded_one_of_the_labels() -> None:
    """The rule of a name of 294 bytes would match no series."""
    text = rule_file.text(expected.jobs(parse(f'[jobs.{"a" * 294}]\nschedule = {{ every = "1h" }}')), "exact")
    assert "a" * 121 not in text
    assert bounded("a" * 294) in text


@pytest.mark.parametrize(
    ("gap", "max_duration", "seconds"),
    [(86400, None, 21600), (86400, 3600, 3600), (86400, 10, 600), (900, None, 600), (60, 30, 600), (7200, None, 3600)],
)
def test_grace(gap: float, max_duration: float | None, seconds: float) -> None:
    """A run of some seconds may start minutes late: a limit of a day and 10 seconds would fire every other day."""
    assert schedule_alerts.grace(Job("a", gap=gap, max_duration=max_duration)) == seconds
