"""The stack as a user runs it: up, status, logs, down, with the real programs."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import urllib.request
from pathlib import Path

import pytest

from batchtel_dashboards import collector_queries
from batchtel_dashboards.stores import Prometheus
from batchtel_stack import output, state
from batchtel_stack.ports import Ports
from batchtel_stack.programs import PROGRAMS, UI
from tests.compose.conftest import Batchtel, Eventually, Spawn
from tests.compose.machine import COMMAND, options, processes

OF_ENVIRONMENT = ("prometheus/prometheus.yml", "jaeger/jaeger.yaml", "collector/collector.yaml")
"""What an environment decides: the interval of rules, how long details are kept, and the collector."""

pytestmark = pytest.mark.usefixtures("built")


def test_up_status_logs_down(batchtel: Batchtel, data: Path, ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    """`up` returns when all six answer, `status` and `logs` report them, `down` leaves no process."""
    monkeypatch.setenv("BATCHTEL_UI_TOKEN", "short")
    monkeypatch.setenv("BATCHTEL_CATALOGUE", "none.toml")
    up = batchtel("stack", "up", "--data", data, *options(ports))
    assert up.returncode == 0, up.stderr
    assert re.fullmatch(
        rf"starting prometheus, alertmanager, victorialogs, jaeger, collector, ui; data: {data}\n"
        r"(\w+ is ready after \d+\.\d s: http://127\.0\.0\.1:\d+\n){6}"
        rf"send with:  export OTEL_EXPORTER_OTLP_ENDPOINT=http://127\.0\.0\.1:{ports.otlp_http}\n"
        rf"look at it: http://127\.0\.0\.1:{ports.ui}\n",
        up.stderr,
    )
    with urllib.request.urlopen(f"http://127.0.0.1:{ports.prometheus}/-/ready") as answer:
        assert answer.status == 200
    for page in ("/", "/ui/"):
        with urllib.request.urlopen(f"http://127.0.0.1:{ports.alertmanager}{page}") as answer:
            assert "This build has no page; the API is under /api/v2." in answer.read().decode()

    status = batchtel("stack", "status", "--data", data, "--json")
    assert status.returncode == 0
    entries = {entry["name"]: entry for entry in json.loads(status.stdout)}
    assert list(entries) == [*PROGRAMS, UI]
    assert {entry["state"] for entry in entries.values()} == {"running"}
    assert entries["victorialogs"]["url"] == f"http://127.0.0.1:{ports.victorialogs}"
    assert {entry["pid"] for entry in entries.values()} == set(processes(data))

    again = batchtel("stack", "up", "--data", data, *options(ports))
    assert (again.returncode, again.stderr.splitlines()[0]) == (0, f"the stack in {data} runs already")
    assert {entry["pid"] for entry in entries.values()} == set(processes(data))

    other = batchtel("stack", "up", "--data", data, "--env", "ci", *options(ports))
    changed = ", ".join(str(data / file) for file in OF_ENVIRONMENT)
    assert (other.returncode, other.stderr) == (
        2,
        f"error: the stack in {data} runs with another configuration than the environment ci now gives: {changed}. "
        "Stop it first: batchtel stack down\n",
    )

    logs = batchtel("stack", "logs", "jaeger", "-n", "1", "--data", data)
    assert logs.returncode == 0
    assert logs.stdout.splitlines() == output.tail(output.path(data, "jaeger"), 1) != []

    down = batchtel("stack", "down", "--data", data)
    assert (down.returncode, down.stderr) == (
        0,
        "stopped prometheus, alertmanager, victorialogs, jaeger, collector, ui\n",
    )
    assert processes(data) == {}
    assert batchtel("stack", "down", "--data", data).stderr == f"nothing runs in {data}\n"
    assert [entry["state"] for entry in json.loads(batchtel("stack", "status", "--data", data, "--json").stdout)] == [
        "stopped"
    ] * 5


def test_wrong_input_is_reported_before_anything_is_built(
    batchtel: Batchtel, data: Path, ports: Ports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each mistake is reported before a build: an environment, a variable, a folder, a port that is used."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "nothing built"))
    monkeypatch.setenv("PATH", str(tmp_path))  # so that a build would fail at once
    monkeypatch.delenv("UV", raising=False)
    unknown = batchtel("stack", "up", "--data", data, "--env", "lokal", *options(ports))
    assert unknown.returncode == 2
    assert unknown.stderr.startswith("error: unknown environment 'lokal' (did you mean local?)")
    assert not data.exists()
    unset = batchtel("stack", "up", "--data", data, "--env", "vendor", *options(ports))
    assert (unset.returncode, unset.stderr) == (
        2,
        "error: the environment vendor needs BATCHTEL_INSTANCE, BATCHTEL_TOKEN, VENDOR_API_KEY; export them, "
        "then try again\n",
    )
    nowhere = batchtel("stack", "up", "--data", "/proc/nowhere", *options(ports))
    assert (nowhere.returncode, nowhere.stderr) == (
        2,
        "error: cannot write in /proc/nowhere: No such file or directory; name another folder: --data DIR\n",
    )
    with socket.create_server(("127.0.0.1", ports.victorialogs)):
        used = batchtel("stack", "up", "--data", data, *options(ports))
    assert used.returncode == 3
    assert used.stderr.startswith("error: a port cannot be opened, nothing was started:\n")


def test_only_ports_of_the_table_on_loopback(batchtel: Batchtel, data: Path, ports: Ports) -> None:
    """The five programs listen on exactly the ports of the table, all of them on 127.0.0.1."""
    assert batchtel("stack", "up", "--data", data, *options(ports)).returncode == 0
    found = {address for pid in processes(data) for address in _listening(pid)}
    batchtel("stack", "down", "--data", data)
    # With exact no sums are read back.
    assert found == {("127.0.0.1", getattr(ports, name)) for name in Ports.names() if name != "collector_series"}


def test_crash_is_reported_and_repaired(batchtel: Batchtel, data: Path, ports: Ports, eventually: Eventually) -> None:
    """`status` names a program that has ended, with the end of its log and exit code 1; `up` starts all again."""
    batchtel("stack", "up", "--data", data, *options(ports))
    (pid,) = [pid for pid, line in processes(data).items() if "/jaeger " in line]
    os.kill(pid, signal.SIGKILL)
    eventually("jaeger is gone", lambda: state.ticks(pid) is None)
    with output.path(data, "jaeger").open("a") as log:
        log.write("the last line\n")

    status = batchtel("stack", "status", "--data", data)
    assert status.returncode == 1
    assert re.search(r"^jaeger +exited +- ", status.stdout, re.MULTILINE)
    assert status.stderr.startswith("\njaeger has ended by itself. Its last lines:\n")
    assert status.stderr.endswith(
        f"  the last line\nThe whole log: {output.path(data, 'jaeger')}\n\n"
        f"Start all again: batchtel stack up --data {data} {' '.join(map(str, options(ports)))}\n"
    )

    up = batchtel("stack", "up", "--data", data, *options(ports))
    assert up.returncode == 0
    assert up.stderr.startswith("jaeger has ended since the last start; stopping the rest and starting all\n")
    assert len(processes(data)) == 6
    batchtel("stack", "down", "--data", data)


def test_early_end_is_explained(batchtel: Batchtel, data: Path, ports: Ports) -> None:
    """A program that ends before it is ready stops the start: its last lines are shown, nothing is left running."""
    broken = data / "jaeger" / "keys"
    broken.parent.mkdir(parents=True)
    broken.write_text("a file where a folder must be")
    up = batchtel("stack", "up", "--data", data, *options(ports))
    assert up.returncode == 3
    message = up.stderr[up.stderr.index("error: ") :]
    assert re.match(r"error: jaeger ended with exit code \d+ before it was ready\. Its last lines:\n  ", message)
    assert "not a directory" in message
    assert message.endswith(f"The whole log: {output.path(data, 'jaeger')}\n")
    assert processes(data) == {}


def test_a_damaged_queue_file_is_set_aside(
    batchtel: Batchtel, data: Path, ports: Ports, eventually: Eventually
) -> None:
    """`up` reports it, the collector's log has it, Prometheus counts it, and the collector works."""
    damaged = data / "collector" / "queue" / "exporter_otlp_grpc_jaeger_traces"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("no queue")
    up = batchtel("stack", "up", "--data", data, *options(ports))
    assert up.returncode == 0, up.stderr
    (moved_to,) = damaged.parent.glob("*.damaged")
    assert moved_to.read_text() == "no queue"
    sentence = (
        f"the queue file {damaged} is damaged (neither of its two meta pages is valid); it was set aside as "
        f"{moved_to.name}\n"
    )
    assert sentence in up.stderr
    assert output.path(data, "collector").read_text().startswith(sentence)
    store = Prometheus(f"http://127.0.0.1:{ports.prometheus}")
    eventually("it is counted", lambda: store.value(collector_queries.damaged_queues("1h")) == 1)
    batchtel("stack", "down", "--data", data)
    assert "is damaged" not in batchtel("stack", "up", "--data", data, *options(ports)).stderr
    batchtel("stack", "down", "--data", data)


def test_ctrl_c_during_up_leaves_nothing(data: Path, ports: Ports, spawn: Spawn, eventually: Eventually) -> None:
    """Ctrl-C while `up` waits for the programs stops those that were started."""
    up = spawn([*COMMAND, "stack", "up", "--data", str(data), *options(ports)])
    own = {up.pid}
    eventually("a program runs", lambda: set(processes(data)) - own)
    up.send_signal(signal.SIGINT)
    _, errors = up.communicate(timeout=30)
    assert up.returncode == 1, errors
    assert processes(data) == {}


def _listening(pid: int) -> set[tuple[str, int]]:
    """Return address and port of every TCP socket on which a process listens."""
    inodes = {link.readlink().name.removeprefix("socket:[").rstrip("]") for link in Path(f"/proc/{pid}/fd").iterdir()}
    found = set()
    for table, loopback in (("tcp", "0100007F"), ("tcp6", "0" * 24 + "01000000")):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            columns = line.split()
            address, port = columns[1].split(":")
            if columns[3] == "0A" and columns[9] in inodes:
                found.add(("127.0.0.1" if address == loopback and table == "tcp" else address, int(port, 16)))
    return found
