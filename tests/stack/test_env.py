"""`batchtel config variables`: a job that is started with the variables of each format is found in the three stores.

The collector of this stack speaks TLS and requires a token, so nothing arrives without all of them.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest
import yaml
from click.testing import CliRunner

from batchtel.cli.main import main
from batchtel_collector.render.job_variables import SYSTEMD_FILE
from batchtel_stack.ports import Ports
from batchtel_stack.stack import Stack
from tests.support import certificates
from tests.support.process import environment as bare_environment
from tests.support.witness import Witness

TOKEN: Final = "to+ken/with=50%~of.what-needs_care"
ENCODED: Final = quote(TOKEN, safe="")
SERVICE: Final = "configured"

JOB: Final = """
import sys, batchtel
with batchtel.job(sys.argv[1]) as job:
    job.records(processed=3)
"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, Path]]:
    """A stack behind TLS and a token, and the file of its environment."""
    folder = tmp_path_factory.mktemp("guarded")
    certificates.issue(folder)
    (folder / "token").write_text(TOKEN)
    overrides = {
        "tls": {"certificate": str(folder / "tls.crt"), "key": str(folder / "tls.key")},
        "token": str(folder / "token"),
    }
    ports = Ports.free()
    file = folder / "guarded.yaml"
    sender = {
        "endpoint": f"https://127.0.0.1:{ports.otlp_http}",
        "token": "${env:MY_TOKEN}",
        "ca": str(folder / "ca.crt"),
        "spool": "${env:MY_FOLDER}/spool",
    }
    file.write_text(json.dumps({"base": "local", "name": "guarded", "jobs": sender}), encoding="utf-8")
    with Stack.running(folder / "stack", ports, export_interval="1s", overrides=overrides) as stack:
        yield stack, file


Environ = dict[str, str]


def _from_shell(text: str, outside: Environ) -> Environ:
    """Let a shell read the lines, and export all of them."""
    dump = "import json, os; print(json.dumps(dict(os.environ)))"
    script = 'set -a; . /dev/stdin; exec "$0" -c "$1"'
    finished = subprocess.run(
        ["sh", "-c", script, sys.executable, dump], input=text, env=outside, capture_output=True, text=True, check=True
    )
    assert finished.stderr == ""
    read: Environ = json.loads(finished.stdout)
    return read


def _from_docker(text: str, outside: Environ) -> Environ:
    """Read lines as `docker run --env-file` does: nothing is quoted, nothing expanded, a bare name is passed on."""
    for comment in re.findall(r"^#   export (.*)$", text, re.MULTILINE):
        outside = _from_shell(comment, outside)
    read: Environ = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, equals, value = line.partition("=")
            read[name] = value if equals else outside[name]
    return {**bare_environment(None, {}), **read}


def _from_kubernetes(text: str, outside: Environ) -> Environ:
    """Read `env` of a container: secrets by key, `$(NAME)` for what stands above it."""
    read: Environ = {}
    parsed = yaml.safe_load(text)
    for entry in parsed["env"] if "env" in parsed else parsed["spec"]["env"]:
        if "valueFrom" in entry:
            reference = entry["valueFrom"]["secretKeyRef"]
            assert reference["name"] == reference["key"].lower().replace("_", "-")
            read[entry["name"]] = outside[reference["key"]]
        else:
            read[entry["name"]] = re.sub(r"\$\((\w+)\)", lambda found: read[found[1]], entry["value"])
    return {**bare_environment(None, {}), **read}


def _from_systemd(text: str, outside: Environ) -> Environ:
    """Read a drop-in: quoted assignments in which %% is %, and a file with what root has put into it."""
    read: Environ = {}
    lines = text.splitlines()
    assert "[Service]" in lines
    for line in lines:
        if line.startswith("Environment="):
            (assignment,) = shlex.split(line.removeprefix("Environment="))
            name, _, value = assignment.partition("=")
            read[name] = value.replace("%%", "%")
    assert f"EnvironmentFile=-{SYSTEMD_FILE}" in lines
    for line in re.findall(r"^#   (\w+=.*)$", text, re.MULTILINE):
        name, _, value = line.partition("=")
        read[name] = re.sub(r"\$\{(\w+)\}", lambda found: outside[found[1]], value)
    return {**bare_environment(None, {}), **read}


READERS: Final[dict[str, Callable[[str, Environ], Environ]]] = {
    "dotenv": _from_shell,
    "docker": _from_docker,
    "kubernetes": _from_kubernetes,
    "airflow": _from_shell,
    "systemd": _from_systemd,
}


@pytest.mark.parametrize("form", READERS)
def test_a_job_with_these_variables_arrives(form: str, guarded: tuple[Stack, Path], tmp_path: Path) -> None:
    """Read as the tool of the format does, the variables bring a run into all stores of the stack."""
    stack, file = guarded
    printed = CliRunner().invoke(main, ["config", "variables", "--env", str(file), "--format", form]).stdout
    assert TOKEN not in printed
    assert ENCODED not in printed
    outside = bare_environment(None, {"MY_TOKEN": ENCODED, "MY_FOLDER": str(tmp_path)})
    variables = READERS[form](printed, outside)
    assert variables["BATCHTEL_SPOOL_DIR"] == f"{tmp_path}/spool"
    job = f"configured_by_{form}"
    finished = subprocess.run(
        [sys.executable, "-c", JOB, job],
        # Other programs' certificates are none of ours.
        env={**variables, "OTEL_SERVICE_NAME": SERVICE, "REQUESTS_CA_BUNDLE": str(file.with_name("another.crt"))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    assert not (tmp_path / "spool").exists()
    witness = Witness(stack, SERVICE)
    assert witness.event(job, "batch.run.finished")["batch.records.processed"] == "3"
    assert witness.span(job).name == f"batch_job.{job}"
    witness.wait_added("batch.job.records.processed", job, 3, deployment_environment_name="guarded")


def test_a_job_without_the_token_does_not_arrive(guarded: tuple[Stack, Path], tmp_path: Path) -> None:
    """The stack of these tests rejects another token."""
    _, file = guarded
    printed = CliRunner().invoke(main, ["config", "variables", "--env", str(file)]).stdout
    variables = _from_shell(printed, {**os.environ, "MY_TOKEN": "another", "MY_FOLDER": str(tmp_path)})
    finished = subprocess.run(
        [sys.executable, "-c", JOB, "not_configured"],
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0
    assert "401" in finished.stderr


@pytest.mark.parametrize(
    ("listener", "host"),
    [("127.0.0.1", "127.0.0.1"), ("10.0.0.7", "10.0.0.7"), ("0.0.0.0", "collector"), ("[::]", "collector")],
)
def test_airflow_has_an_address_for_its_own_metrics(tmp_path: Path, listener: str, host: str) -> None:
    """Where the collector accepts StatsD: a listener on all addresses is reached where OTLP is."""
    file = tmp_path / "mine.yaml"
    file.write_text(
        f'base: local\nname: mine\nairflow_metrics: true\nlisten: {{statsd: "{listener}:8125"}}\n'
        'jobs: {endpoint: "http://collector:4318"}\n',
        encoding="utf-8",
    )
    printed = CliRunner().invoke(main, ["config", "variables", "--env", str(file), "--format", "airflow"]).stdout
    read = _from_shell(printed, {})
    assert {name: value for name, value in read.items() if name.startswith("AIRFLOW")} == {
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_HOST": host,
        "AIRFLOW__METRICS__STATSD_PORT": "8125",
        "AIRFLOW__METRICS__STATSD_PREFIX": "mine",
    }


def test_airflow_is_configured_to_send_its_own_metrics() -> None:
    """Over OpenTelemetry where no StatsD is accepted, for 3.0 and 3.1 with an address, which later ones warn of."""
    printed = CliRunner().invoke(main, ["config", "variables", "--env", "production", "--format", "airflow"]).stdout
    read = _from_shell(printed, {})
    assert {name: value for name, value in read.items() if name.startswith("AIRFLOW")} == {
        "AIRFLOW__METRICS__OTEL_ON": "True",
        "AIRFLOW__METRICS__LEGACY_NAMES_ON": "False",
    }
    assert read["OTEL_EXPORTER_OTLP_METRICS_TIMEOUT"] == "2"
    older = _from_shell(printed.replace("# AIRFLOW", "AIRFLOW"), {})
    assert {name: value for name, value in older.items() if name.startswith("AIRFLOW") and name not in read} == {
        "AIRFLOW__METRICS__OTEL_HOST": "batchtel-agent",
        "AIRFLOW__METRICS__OTEL_PORT": "4318",
        "AIRFLOW__METRICS__OTEL_SSL_ACTIVE": "True",
        "AIRFLOW__METRICS__OTEL_INTERVAL_MILLISECONDS": "15000",
    }


def test_nothing_of_airflow_is_switched_on_that_is_dropped() -> None:
    """Where the collector does not keep Airflow's own metrics no variable switches them on; a comment names the key."""
    printed = CliRunner().invoke(main, ["config", "variables", "--env", "local", "--format", "airflow"]).stdout
    assert [name for name in _from_shell(printed, {}) if name.startswith("AIRFLOW")] == []
    assert printed.endswith(
        "# Of its own metrics none are kept: leave AIRFLOW__METRICS__* out, or set airflow_metrics: true\n"
    )


def test_the_page_on_airflow_has_what_is_printed(tmp_path: Path) -> None:
    """The two blocks of docs/airflow.md about Airflow's own metrics are what its environment prints."""
    page = (Path(__file__).parents[2] / "docs" / "airflow.md").read_text(encoding="utf-8")
    every = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    blocks = [block for block in every if "METRICS" in block]
    assert len(blocks) == 2
    (environment,) = re.findall(r"^```yaml\n(# mine.yaml\n.*?)^```$", page, re.MULTILINE | re.DOTALL)
    file = tmp_path / "mine.yaml"
    file.write_text(environment, encoding="utf-8")
    printed = (
        CliRunner()
        .invoke(main, ["config", "variables", "--env", str(file), "--format", "airflow"])
        .stdout.replace("# AIRFLOW", "AIRFLOW")
    )
    assert _from_shell("".join(blocks), {}).items() <= _from_shell(printed, {}).items()


@pytest.mark.parametrize("form", READERS)
def test_what_needs_quoting_arrives_unchanged(form: str, tmp_path: Path) -> None:
    """A folder with spaces, quotes and signs that shells, systemd and Kubernetes read as something else."""
    awkward = "/var/$(spool)/a \"b\" 'c' `d` 50%"
    file = tmp_path / "mine.yaml"
    file.write_text(json.dumps({"base": "local", "name": "mine", "jobs": {"ca": awkward.replace("$", "")}}))
    printed = CliRunner().invoke(main, ["config", "variables", "--env", str(file), "--format", form]).stdout
    if form == "systemd":
        printed += f"EnvironmentFile=-{SYSTEMD_FILE}\n"
    assert READERS[form](printed, {})["OTEL_EXPORTER_OTLP_CERTIFICATE"] == awkward.replace("$", "")


@pytest.mark.parametrize(
    ("form", "folder"), [("dotenv", "/mine/spool"), ("airflow", "/mine/spool"), ("kubernetes", "/var/spool")]
)
def test_a_reference_keeps_its_default(form: str, folder: str, tmp_path: Path) -> None:
    """Where the variable is not set it counts; Kubernetes cannot refer with a default, so there it always does."""
    file = tmp_path / "mine.yaml"
    file.write_text(json.dumps({"base": "local", "name": "mine", "jobs": {"spool": "${env:MY_FOLDER:-/var}/spool"}}))
    printed = CliRunner().invoke(main, ["config", "variables", "--env", str(file), "--format", form]).stdout
    assert READERS[form](printed, {})["BATCHTEL_SPOOL_DIR"] == "/var/spool"
    assert READERS[form](printed, {"MY_FOLDER": "/mine"})["BATCHTEL_SPOOL_DIR"] == folder
