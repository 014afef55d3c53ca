"""Alerts lead to the board of their job, at the time of the alert, as the real promtool writes the address."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from batchtel_dashboards.alerts import links, rule_file
from batchtel_dashboards.alerts.links import Links
from batchtel_dashboards.boards import shipped

GRAFANA = "https://example.com/grafana"
PAGES = "https://example.com:9494"
VIOLATED = "batch_job_sla_violations_total"


def _firing(promtool: Path, folder: Path, alert: str, samples: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the parameters of the address of the board to which an alert leads."""
    address = urlsplit(_annotation("dashboard_url", promtool, folder, alert, samples))
    assert f"{address.scheme}://{address.netloc}{address.path}".startswith(f"{GRAFANA}/d/batch-")
    return {"board": [address.path.rpartition("/")[2]], **parse_qs(address.query)}


def _annotation(name: str, promtool: Path, folder: Path, alert: str, samples: Mapping[str, str]) -> str:
    """Return an annotation of an alert 10 minutes after the first sample."""
    content = yaml.safe_load(rule_file.text((), "exact", Links(grafana=GRAFANA, ui=PAGES)))
    for group in content["groups"]:
        group["rules"] = [rule for rule in group["rules"] if rule.get("alert") == alert]
    (folder / "alerts.yaml").write_text(yaml.safe_dump(content, width=1000))
    inputs = [{"series": series, "values": values} for series, values in samples.items()]
    wrong = [{"eval_time": "10m", "alertname": alert, "exp_alerts": []}]
    tests = [{"interval": "1m", "input_series": inputs, "alert_rule_test": wrong}]
    (folder / "test.yaml").write_text(yaml.safe_dump({"rule_files": ["alerts.yaml"], "tests": tests}))
    done = subprocess.run(
        [promtool, "test", "rules", "test.yaml"], cwd=folder, capture_output=True, text=True, check=False
    )
    _, _, got = (done.stdout + done.stderr).partition(f"{name}=")
    text: str = json.loads(got[: got.index('"', 1) + 1])
    return text


@pytest.mark.parametrize("name", ["load", "a b&var-job=c#d", "größe+1/ä?", "{{ $labels.job }}", "100%", "$__all"])
def test_the_board_shows_the_job_of_the_alert(promtool: Path, tmp_path: Path, name: str) -> None:
    """Whatever its name is, it stays one value of the address."""
    labels = f'job="shop/etl",deployment_environment_name="prod",job_name={json.dumps(name, ensure_ascii=False)}'
    samples = {f'{VIOLATED}{{{labels},job_type="batch",violation_type="deadline_missed"}}': "0 1x20"}
    assert _firing(promtool, tmp_path, "BatchSLAViolation", samples) == {
        "board": [links.JOB],
        "var-environment": ["prod"],
        "var-service": ["shop/etl"],
        "var-job": [name],
        "time": ["600000"],
        "time.window": ["86400000"],
    }


@pytest.mark.parametrize("name", ["load", "a b&name=c#d", "größe+1/ä?"])
def test_the_page_shows_the_job_of_the_alert(promtool: Path, tmp_path: Path, name: str) -> None:
    """The same for `batchtel ui`; an alert about a collector leads to the pipeline."""
    labels = f'job="shop/etl",deployment_environment_name="prod",job_name={json.dumps(name, ensure_ascii=False)}'
    samples = {f'{VIOLATED}{{{labels},job_type="batch",violation_type="deadline_missed"}}': "0 1x20"}
    page = urlsplit(_annotation("page_url", promtool, tmp_path, "BatchSLAViolation", samples))
    assert f"{page.scheme}://{page.netloc}{page.path}" == f"{PAGES}/job"
    assert parse_qs(page.query) == {"environment": ["prod"], "service": ["shop/etl"], "name": [name]}
    assert _annotation("page_url", promtool, tmp_path, "BatchCollectorDown", {"a": "1x20"}) == f"{PAGES}/pipeline"


def test_a_label_that_is_not_there_selects_all(promtool: Path, tmp_path: Path) -> None:
    """A service without an environment, and a collector, which is no job."""
    samples = {f'{VIOLATED}{{job="etl",job_name="load",violation_type="deadline_missed"}}': "0 1x20"}
    found = _firing(promtool, tmp_path, "BatchSLAViolation", samples)
    assert "var-environment" not in found
    assert found["var-job"] == ["load"]
    down = _firing(promtool, tmp_path, "BatchCollectorDown", {"a": "1x20"})
    assert down == {"board": [links.PIPELINE], "time": ["600000"], "time.window": ["86400000"]}


def test_the_boards_and_their_variables_exist() -> None:
    """An address with another name shows the board of all jobs, or none."""
    boards = shipped.texts("exact")
    assert {links.JOB, links.PIPELINE} <= set(boards)
    variables = {one["name"] for one in json.loads(boards[links.JOB])["templating"]["list"]}
    assert {"environment", "service", "job"} <= variables


def test_there_is_no_address_without_a_grafana() -> None:
    """A link to nowhere is worse than none."""
    assert not {"dashboard_url", "page_url"} & set(rule_file.text((), "exact").replace(":", " ").split())
