"""Rendered units under a real systemd: totals survive, restarts are limited, the process is confined."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from batchtel_collector.environment.load import load
from batchtel_collector.render.configuration import render
from batchtel_collector.render.formats import formatted
from tests.support import certificates
from tests.support.polling import until
from tests.systemd.machine import Machine

COMPOSE: Final = Path(__file__).parents[2] / "compose"

PYTHON: Final = '#!/bin/sh\nPYTHONPATH=/opt/batchtel/lib exec /usr/bin/python3 "$@"\n'
"""An interpreter that has batchtel."""

QUERY: Final = """
import sys, urllib.parse, urllib.request
query = urllib.parse.urlencode({"query": sys.argv[1]})
print(urllib.request.urlopen(f"http://127.0.0.1:9090/api/v1/query?{query}").read().decode())
"""

UNIT: Final = "batchtel.service"


@pytest.fixture(scope="module")
def prepared(debian: Machine, collector_program: Path, prometheus_program: Path) -> Machine:
    """The machine with the user, the programs and a Prometheus that accepts remote write."""
    root = debian.root
    debian.output("useradd --system --user-group --home-dir /var/lib/batchtel --shell /usr/sbin/nologin batchtel")
    debian.output("install -d /etc/batchtel/credentials /opt/batchtel/bin /opt/batchtel/lib")
    for name in ("local/bin/otelcol-batchtel", "bin/otelcol-contrib"):
        shutil.copy(collector_program, root / "usr" / name)
    shutil.copy(prometheus_program, root / "usr" / "local" / "bin" / "prometheus")
    shutil.copytree(COMPOSE / "batchtel_stack", root / "opt" / "batchtel" / "lib" / "batchtel_stack")
    python = root / "opt" / "batchtel" / "bin" / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    (root / "root" / "prometheus.yml").write_text("{}")
    debian.output(
        "systemd-run --unit=prometheus prometheus --config.file=/root/prometheus.yml --storage.tsdb.path=/root/data "
        "--web.enable-remote-write-receiver --web.listen-address=127.0.0.1:9090"
    )
    return debian


def _install(machine: Machine, base: str = "local", role: str = "standalone", **overrides: object) -> str:
    """Write the unit and the configuration of an environment, stop what runs of it; return the unit's name."""
    environment = load(base, overrides, role=role)
    text = formatted(environment, "systemd", "mine")
    unit = "batchtel.service" if role == "standalone" else f"batchtel-{role}.service"
    (machine.root / "etc" / "systemd" / "system" / unit).write_text(text)
    (machine.root / "etc" / "batchtel" / unit).with_suffix(".yaml").write_text(render(environment))
    machine.output(f"systemctl stop {unit}; systemctl reset-failed {unit} || true; systemctl daemon-reload")
    return unit


def _started(machine: Machine, unit: str = UNIT, health: str = "http://127.0.0.1:13133") -> None:
    machine.output(f"systemctl start {unit}")
    _await_health(machine, unit, health)


def _await_health(machine: Machine, unit: str = UNIT, health: str = "http://127.0.0.1:13133") -> None:
    code = f"import urllib.request; urllib.request.urlopen({health!r})"
    until(
        f"{unit} to be healthy",
        lambda: None if machine.call(sys.executable, "-c", code).returncode else True,
        30,
        lambda: machine.output("journalctl --no-pager --lines 30"),
    )


def _send(machine: Machine, runs: int) -> None:
    for _ in range(runs):
        ended = machine.call(
            *(sys.executable, "-m", "batchtel", "run", "--job", "nightly", "--", "true"),
            OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4318",
            OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
        )
        assert (ended.returncode, ended.stderr) == (0, "")


def _total(machine: Machine) -> float | None:
    asked = machine.call(sys.executable, "-c", QUERY, "sum(batch_job_completions_total)")
    found: list[Any] = json.loads(asked.stdout)["data"]["result"] if asked.returncode == 0 else []
    return float(found[0]["value"][1]) if found else None


def _await_total(machine: Machine, runs: int) -> None:
    until(f"{runs} runs", lambda: _total(machine) == runs or None, 30, lambda: f"there are {_total(machine)}")


def test_totals_survive_a_kill_and_a_restart(prepared: Machine) -> None:
    """Systemd starts the collector again, with the same totals: each run is counted once."""
    _install(prepared, export_interval="2s")
    _started(prepared)
    _send(prepared, 3)
    _await_total(prepared, 3)
    killed = prepared.property(UNIT, "MainPID")
    prepared.output(f"systemctl kill --signal=SIGKILL {UNIT}")
    until("a new process", lambda: prepared.property(UNIT, "MainPID") not in (killed, "0") or None, 30)
    _await_health(prepared)
    assert prepared.property(UNIT, "NRestarts") == "1"
    _send(prepared, 2)
    _await_total(prepared, 5)
    prepared.output(f"systemctl restart {UNIT}")
    _await_health(prepared)
    _send(prepared, 2)
    _await_total(prepared, 7)
    assert prepared.property(UNIT, "Result") == "success"


def test_the_process_is_confined(prepared: Machine) -> None:
    """By the kernel: no capability, a filter of system calls, a limit of memory, and one folder of its own."""
    _install(prepared)
    _started(prepared)
    process = prepared.property(UNIT, "MainPID")
    status = prepared.output(f"cat /proc/{process}/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    user = prepared.output("id --user batchtel").strip()
    assert fields["Uid"].split() == [user] * 4
    assert fields["CapBnd"] == fields["CapEff"] == "0" * 16
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")
    assert prepared.property(UNIT, "MemoryMax") == str(load("local").memory_limit * 5 // 4)
    group = prepared.property(UNIT, "ControlGroup")
    limits = (
        f"cat /sys/fs/cgroup/memory{group}/memory.limit_in_bytes /sys/fs/cgroup{group}/memory.max 2>/dev/null || true"
    )
    assert prepared.output(limits).strip() == prepared.property(UNIT, "MemoryMax")
    state = prepared.output("stat --format '%U %a' /var/lib/batchtel/.local/state/batchtel/queue")
    assert state == "batchtel 700\n"
    mounts = prepared.output(f"cat /proc/{process}/mountinfo").splitlines()
    (root,) = (line.split()[5] for line in mounts if line.split()[4] == "/")
    assert root.split(",")[0] == "ro"


def test_a_damaged_queue_is_set_aside(prepared: Machine) -> None:
    """Before the collector starts, which would not with it."""
    _install(prepared)
    _started(prepared)
    _send(prepared, 1)
    prepared.output(f"systemctl stop {UNIT}")
    folder = "/var/lib/batchtel/.local/state/batchtel/queue"
    (file,) = prepared.output(f"ls {folder} | grep victorialogs").split()
    prepared.output(f"dd if=/dev/urandom of={folder}/{file} bs=4096 count=2 conv=notrunc status=none")
    _started(prepared)
    assert f"{file}." in prepared.output(f"ls {folder} | grep damaged")
    assert "neither of its two meta pages is valid" in prepared.output(f"journalctl --unit {UNIT} --output cat")


def test_certificates_and_tokens_are_credentials(prepared: Machine, tmp_path: Path) -> None:
    """Only root reads the files; the collector has the copies that systemd makes."""
    certificates.issue(tmp_path)
    (tmp_path / "token").write_text("s3cret-of-the-test")
    folder = prepared.root / "etc" / "batchtel" / "credentials"
    for name in ("tls.crt", "tls.key", "token"):
        shutil.copy(tmp_path / name, folder / name)
        (folder / name).chmod(0o600)
    here = "/run/credentials/batchtel.service"
    _install(
        prepared, tls={"certificate": f"{here}/tls.crt", "key": f"{here}/tls.key"}, token=f"{here}/token",
        jobs={"endpoint": "https://127.0.0.1:4318", "ca": str(tmp_path / "ca.crt")},
    )  # fmt: skip
    _started(prepared)
    sent = prepared.call(
        *(sys.executable, "-m", "batchtel", "run", "--job", "with_tls", "--", "true"),
        OTEL_EXPORTER_OTLP_ENDPOINT="https://127.0.0.1:4318",
        OTEL_EXPORTER_OTLP_CERTIFICATE=str(tmp_path / "ca.crt"),
        OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20s3cret-of-the-test",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
    )
    assert (sent.returncode, sent.stderr) == (0, "")
    until("the run", lambda: _of_job(prepared, "with_tls"), 40)


def _of_job(machine: Machine, job: str) -> bool | None:
    asked = machine.call(sys.executable, "-c", QUERY, f'batch_job_completions_total{{job_name="{job}"}} == 1')
    return bool(json.loads(asked.stdout)["data"]["result"]) or None


def test_each_start_of_stock_has_a_label_of_its_own(prepared: Machine) -> None:
    """The id that systemd gives to a start; a total of another process is another series."""
    _install(prepared, aggregation="stock", instance="metal")
    seen = set()
    for _ in range(2):
        prepared.output(f"systemctl restart {UNIT}")
        _await_health(prepared)
        process = prepared.property(UNIT, "MainPID")
        variables = prepared.output(f"tr '\\0' '\\n' < /proc/{process}/environ")
        boot = dict(line.split("=", 1) for line in variables.splitlines())["BATCHTEL_BOOT"]
        assert boot == prepared.property(UNIT, "InvocationID")
        seen.add(boot)
    assert len(seen) == 2


def test_a_configuration_that_cannot_work_ends_as_failed(prepared: Machine) -> None:
    """After the restarts that the unit allows, here without their pauses; `systemctl --failed` lists it."""
    _install(prepared)
    (prepared.root / "etc" / "batchtel" / "batchtel.yaml").write_text("receivers: {none: {}}\n")
    folder = prepared.root / "etc" / "systemd" / "system" / f"{UNIT}.d"
    folder.mkdir()
    (folder / "quick.conf").write_text("[Service]\nRestartSec=10ms\n")
    prepared.output(f"systemctl daemon-reload; systemctl start {UNIT} || true")
    until("the unit to fail", lambda: prepared.property(UNIT, "ActiveState") == "failed" or None, 60)
    assert prepared.property(UNIT, "NRestarts") == "20"
    shutil.rmtree(folder)


def test_a_missing_file_of_secrets_is_a_failure(prepared: Machine) -> None:
    """Not a collector with an empty token."""
    unit = _install(prepared, "production", "agent")
    assert prepared.run(f"systemctl start {unit}").returncode != 0
    assert prepared.property(unit, "Result") == "resources"
