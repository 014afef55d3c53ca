"""The configuration of Alertmanager, by the real amtool, Alertmanager and promtool."""

from __future__ import annotations

import itertools
import json
import re
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from batchtel.cli.main import main
from batchtel_dashboards.alerts import alertmanager, rule_file
from batchtel_dashboards.alerts.receivers import KINDS, Receivers
from batchtel_stack import binaries
from tests.dashboards.alerts import job_cases
from tests.dashboards.alerts.pipeline_cases import queue
from tests.support.polling import until
from tests.support.program import Program, fetch

TEAMS = ("sales", 'Data "Core"\\EU', "finance")
ALL = Receivers(KINDS, KINDS, "/secrets", "example.com")


def _amtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [binaries.find("amtool"), *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    "text",
    [
        alertmanager.local(),
        alertmanager.text((), "platform", Receivers()),
        alertmanager.text(TEAMS, "platform", Receivers()),
        alertmanager.text(TEAMS, "sales", ALL),
    ],
    ids=["local", "no team", "teams", "every kind"],
)
def test_amtool_accepts_it(tmp_path: Path, text: str) -> None:
    """Without a team, with some, one of which gets the rest, and with each kind of receiver."""
    (tmp_path / "alertmanager.yaml").write_text(text)
    checked = _amtool("check-config", tmp_path / "alertmanager.yaml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ("alertname=BatchRunLost severity=critical team=sales", "sales critical"),
        ("alertname=BatchDataStale severity=warning team=sales", "sales warning"),
        ("alertname=BatchRunLost severity=critical", "platform critical"),
        ("alertname=BatchDataStale severity=warning", "platform warning"),
        ("alertname=BatchCollectorDown severity=critical instance=a", "platform critical"),
        ("alertname=BatchQueueFilling severity=warning instance=a", "platform warning"),
        ("alertname=SomethingElse", "platform warning"),
    ],
)
def test_routes(tmp_path: Path, labels: str, receiver: str) -> None:
    """A team gets the alerts of its jobs, the platform all others, each by its severity."""
    (tmp_path / "alertmanager.yaml").write_text(alertmanager.text(TEAMS, "platform", Receivers()))
    options = ("--config.file", tmp_path / "alertmanager.yaml", f"--verify.receivers={receiver}")
    tested = _amtool("config", "routes", "test", *options, *re.split(r"(?<!\\) ", labels))
    assert (tested.returncode, tested.stdout.strip()) == (0, receiver), tested.stderr


def test_a_secret_is_a_file() -> None:
    """Each key or address that lets somebody send is the path of a file below the folder of secrets."""
    document = yaml.safe_load(alertmanager.text(TEAMS, "platform", ALL))
    parts = [document["global"], *(one for all_ in document["receivers"] for one in _configurations(all_))]
    files = {key: text for part in parts for key, text in part.items() if key.endswith("_file")}
    assert files.keys() == {"smtp_auth_password_file", "routing_key_file", "api_url_file", "url_file"}
    assert all(text.startswith("/secrets/") for text in files.values())
    others = {key for part in parts for key in part} - files.keys()
    secret = r"url|key|token|password|secret"
    assert [key for key in others if re.search(secret, key)] == []


def _configurations(receiver: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return itertools.chain.from_iterable(value for key, value in receiver.items() if key != "name")


def test_causes_mute_their_consequences(tmp_path: Path) -> None:
    """A collector that is down mutes what missing metrics cause, a lost run the alerts about its heartbeats."""
    job = {"job": "shop", "deployment_environment_name": "prod", "job_name": "load"}
    other = {**job, "deployment_environment_name": "dev"}
    away = {"cluster": "other"}
    sent = [
        {"alertname": "BatchRunLost", **job},
        {"alertname": "BatchHeartbeatMissing", **job},
        {"alertname": "BatchZeroThroughput", **job},
        {"alertname": "BatchHeartbeatMissing", **other},
        {"alertname": "BatchCollectorDown", **away},
        {"alertname": "BatchDataStale", **job, **away},
        {"alertname": "BatchGreenTick", **job, **away},
        {"alertname": "BatchExportFailing", "exporter": "otlp_http/loki"},
        {"alertname": "BatchNotRunRecently", **job},
    ]
    with _running(tmp_path) as url:
        assert _muted(url, sent) == {
            "BatchHeartbeatMissing prod ",
            "BatchZeroThroughput prod ",
            "BatchDataStale prod other",
        }
        failing = {"alertname": "BatchExportFailing", "exporter": "prometheus_remote_write"}
        assert "BatchNotRunRecently prod " in _muted(url, [*sent, failing])


class _running:  # noqa: N801
    """The local configuration in a real Alertmanager; a context manager that returns its address."""

    def __init__(self, folder: Path) -> None:
        (folder / "alertmanager.yaml").write_text(alertmanager.local())
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        command: list[str | Path] = [
            binaries.find("alertmanager"),
            f"--config.file={folder / 'alertmanager.yaml'}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
            "--cluster.listen-address=",
        ]
        self._program = Program(command, folder / "alertmanager.log", f"{self.url}/-/ready")

    def __enter__(self) -> str:
        self._program.__enter__()
        return self.url

    def __exit__(self, *_: object) -> None:
        self._program.stop()


def _muted(url: str, alerts: list[dict[str, str]]) -> set[str]:
    """Send alerts, and return those that are muted as soon as the state of all of them is settled."""
    body = json.dumps([{"labels": labels} for labels in alerts]).encode()
    headers = {"Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(f"{url}/api/v2/alerts", body, headers)).close()

    def look() -> set[str] | None:
        found = json.loads(fetch(f"{url}/api/v2/alerts"))
        if len(found) < len(alerts) or any(one["status"]["state"] == "unprocessed" for one in found):
            return None
        return {
            " ".join(one["labels"].get(key, "") for key in ("alertname", "deployment_environment_name", "cluster"))
            for one in found
            if one["status"]["state"] == "suppressed"
        }

    return until("the states of all alerts", look, 60)


def test_a_cause_is_kept_longer_than_its_consequences() -> None:
    """What fired while a collector was away is muted until it ends by itself."""
    kept = {alert.name: alert.keep for alert in rule_file.ALERTS}
    absent = [alert.keep for alert in rule_file.ALERTS if alert.by_absence]
    assert min(kept["BatchCollectorDown"], kept["BatchExportFailing"]) > max(absent)
    assert kept["BatchRunLost"] > max(kept["BatchHeartbeatMissing"], kept["BatchZeroThroughput"])


def test_a_cause_fires_before_its_consequences(promtool: Path, tmp_path: Path) -> None:
    """When a collector goes away its alert fires before the run of a job looks lost."""
    (tmp_path / "alerts.yaml").write_text(rule_file.text((), "exact"))
    samples = {**job_cases.course(job_cases.LOAD, "0 1x39", "0x40", "0+15x40", "0x40", "_"), queue("prod"): "0x40"}
    names = (
        'alertname="BatchCollectorDown",alertstate="firing"',
        'alertname="BatchRunLost",alertstate="pending"',
        'alertname="BatchRunLost",alertstate="firing"',
    )
    # The collector goes away after 10 minutes.
    firing = {"12m45s": (0, 0, 0), "13m": (1, 1, 0), "13m30s": (1, 1, 0)}
    tested = {
        "rule_files": ["alerts.yaml"],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "15s",
                "input_series": [{"series": key, "values": values} for key, values in samples.items()],
                "promql_expr_test": [
                    {
                        "expr": f"count(ALERTS{{{name}}}) or vector(0)",
                        "eval_time": at,
                        "exp_samples": [{"labels": "{}", "value": count}],
                    }
                    for at, counts in firing.items()
                    for name, count in zip(names, counts, strict=True)
                ],
            }
        ],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(tested, width=1000))
    done = subprocess.run(
        [promtool, "test", "rules", "test.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_command_reads_teams(tmp_path: Path) -> None:
    """The configuration on standard output is that of the teams of the catalogue; mail needs its domain."""
    (tmp_path / "jobs.toml").write_text('[jobs.a]\nteam = "sales"\n[jobs.b]\n[jobs.c]\nteam = "sales"\n')
    options = ["--catalogue", str(tmp_path / "jobs.toml"), "--warning", "email"]
    printed = CliRunner().invoke(main, ["alerts", "alertmanager", *options, "--mail-domain", "example.com"])
    where = Receivers(warning=("email",), mail_domain="example.com")
    assert (printed.exit_code, printed.stdout) == (0, alertmanager.text(["sales"], "platform", where))
    refused = CliRunner().invoke(main, ["alerts", "alertmanager", *options])
    assert (refused.exit_code, refused.stdout, refused.stderr) == (
        2,
        "",
        "error: email needs the domain of the teams' addresses; add for example --mail-domain example.com\n",
    )
