"""The commands `batchtel alerts rules` and `list`."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from click.testing import CliRunner, Result

from batchtel.catalogue.reader import parse
from batchtel.cli.main import main
from batchtel_dashboards import rules
from batchtel_dashboards.alerts import expected, rule_file
from batchtel_dashboards.alerts.links import Links
from tests.dashboards.alerts.alert_case import CATALOGUE


def _called(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["alerts", *arguments])


def test_rules_are_those_of_the_catalogue_and_the_engine(tmp_path: Path) -> None:
    """The file on standard output has the owner of a job and the address of the runbooks."""
    (tmp_path / "jobs.toml").write_text(CATALOGUE)
    options = ("--catalogue", str(tmp_path / "jobs.toml"), "--aggregation", "stock", "--runbooks", "https://r.example/")
    called = _called("rules", *options)
    assert called.exit_code == 0
    assert called.stdout == rule_file.text(expected.jobs(parse(CATALOGUE)), "stock", Links("https://r.example"))
    assert "owner: ada@example.com" in called.stdout
    assert "runbook_url: https://r.example/BatchRunLost.md" in called.stdout


def test_resources_of_the_operator_have_the_same_rules() -> None:
    """Each file is the spec of a resource; with `stock` the recording rules are one, too."""
    for aggregation, files in (("exact", []), ("stock", [rules.path().read_text(encoding="utf-8")])):
        printed = _called("rules", "--aggregation", aggregation, "--format", "kubernetes").stdout
        resources = list(yaml.safe_load_all(printed))
        files = [*files, _called("rules", "--aggregation", aggregation).stdout]
        assert [one["spec"] for one in resources] == [yaml.safe_load(file) for file in files]
        assert {one["kind"] for one in resources} == {"PrometheusRule"}
        assert " &id" not in printed


def test_resources_are_small_enough_for_the_operator(tmp_path: Path) -> None:
    """50 jobs of 10 owners: several resources below 512 KiB, with all rules in order, and no name twice in one."""
    schedule = 'schedule = { every = "1d" }\nsla = { max_duration = "1h", max_data_age = "26h" }\n'
    jobs = "".join(f'[jobs.job_{number}]\nowner = "team-{number % 10}@example.com"\n{schedule}' for number in range(50))
    (tmp_path / "jobs.toml").write_text(jobs)
    options = ("rules", "--catalogue", str(tmp_path / "jobs.toml"))
    resources = list(yaml.safe_load_all(_called(*options, "--format", "kubernetes").stdout))
    assert len(resources) > 1
    assert [one["metadata"]["name"] for one in resources][:2] == ["batchtel-alerts", "batchtel-alerts-2"]
    for one in resources:
        assert len(yaml.safe_dump(one["spec"], width=1000).encode()) < 512 * 1024
        names = [group["name"] for group in one["spec"]["groups"]]
        assert len(names) == len(set(names))
    split = [(group["name"], rule) for one in resources for group in one["spec"]["groups"] for rule in group["rules"]]
    whole = yaml.safe_load(_called(*options).stdout)["groups"]
    assert split == [(group["name"], rule) for group in whole for rule in group["rules"]]


def test_a_catalogue_with_problems_is_refused(tmp_path: Path) -> None:
    """Nothing is printed of it, and the message has the next command; a file that is not there is reported, too."""
    (tmp_path / "jobs.toml").write_text("[jobs.a]\nowner = 1\n")
    wrong = _called("rules", "--catalogue", str(tmp_path / "jobs.toml"))
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert f"has 1 problem; list them: batchtel jobs check {tmp_path / 'jobs.toml'}" in wrong.stderr
    missing = _called("rules", "--catalogue", str(tmp_path / "none.toml"))
    assert missing.exit_code == 2
    assert "No such file or directory; begin one with `batchtel jobs init`" in missing.stderr


def test_list_has_every_alert() -> None:
    """A line each, and one document."""
    names = [alert.name for alert in rule_file.ALERTS]
    assert [line.split()[0] for line in _called("list").stdout.splitlines()] == names
    assert [row["name"] for row in json.loads(_called("list", "--json").stdout)] == names
