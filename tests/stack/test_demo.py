"""The command `batchtel demo`, as a user calls it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import urllib3
import yaml

from batchtel_collector.render import prometheus_names
from batchtel_dashboards import queries, rules
from batchtel_stack.demo.target import unique_service
from batchtel_stack.stack import Stack
from tests.stack.marked import Marked
from tests.support.polling import until
from tests.support.program import Program

DEMO_SECONDS = 240
"""The demo needs 75 s on two busy cores."""


def _ledgers(marked: Marked, job: str) -> list[Path]:
    return sorted(marked.folder.glob(f"batchtel-demo-*/ledger/{job}-*.jsonl"))


def _sum(counts: Mapping[str, Mapping[str, float]], name: str) -> float:
    return sum(counted.get(name, 0) for counted in counts.values())


def test_demo_json_and_keep(marked: Marked, tmp_path: Path) -> None:
    """All stores agree, in one document on stdout; with --keep stack and pages run until the printed command."""
    demo = marked.start("demo", "--json", "--keep", "--report", str(tmp_path / "demo.html"))
    stdout, stderr = demo.communicate(timeout=DEMO_SECONDS)
    assert demo.returncode == 0, stderr
    document = json.loads(stdout)
    assert set(document) == {"ok", "scenarios", "series", "runs"}
    assert document["ok"] is True
    assert [one["name"] for one in document["scenarios"]] == ["race", "fleet", "etl", "retry", "green"]
    for one in document["scenarios"]:
        assert set(one) == {"name", "ok", "expected", "observed"}
        assert one["ok"] is True
        assert set(one["observed"]) == {"prometheus", "victorialogs", "jaeger"}
    scenarios: dict[str, dict[str, Any]] = {one["name"]: one for one in document["scenarios"]}
    for name, what, amount in (
        ("race", "failure (IntegrityError)", 10),
        ("fleet", "started", 200),
        ("fleet", "success", 175),
        ("fleet", "failure (FileNotFoundError)", 25),
        ("retry", "started", 2),
        ("retry", "success", 1),
        ("green", "success", 1),
        ("green", "processed", 0),
    ):
        assert _sum(scenarios[name]["expected"], what) == amount
        for store in ("prometheus", "victorialogs", "jaeger"):
            assert _sum(scenarios[name]["observed"][store], what) == amount
    assert document["series"]["before"] == document["series"]["after"] > 0
    assert document["series"]["with_run_id"] == 0
    (run,) = document["runs"]
    assert (run["ok"], run["logs"], run["traces"]) == (True, "victorialogs", "jaeger")

    (data,) = marked.folder.glob("batchtel-demo-*/stack")
    assert "BatchHighFailureRate: hub_import: 100% of runs failed. 100% of the last hour's runs failed" in stderr
    assert f"batchtel stack status --data {data}" in stderr
    assert f"batchtel stack down --data {data}" in stderr
    assert marked.run("stack", "status", "--data", str(data)).returncode == 0
    assert len(marked.left()) == 6
    (address,) = re.findall(r"open: +(http://\S+)", stderr)
    assert "hub_import" in urllib3.request("GET", address, timeout=60).data.decode()
    assert "hub_import" in (tmp_path / "demo.html").read_text()
    assert marked.run("stack", "down", "--data", str(data)).returncode == 0


def test_tampered_ledger_turns_the_demo_red(marked: Marked) -> None:
    """A line in the ledger that no job has written: exit code 1, and the data is kept."""
    demo = marked.start("demo")
    ledger = until("a ledger of the race", lambda: next(iter(_ledgers(marked, "hub_import")), None), 60)
    until("its end", lambda: ledger if '"ended"' in ledger.read_text() else None, 60)
    line = {"event": "started", "job": "hub_import", "run_id": "made-up", "attempt": 1}
    with ledger.open("a") as file:
        file.write(json.dumps(line) + "\n")
    stdout, stderr = demo.communicate(timeout=DEMO_SECONDS)
    assert demo.returncode == 1, stderr
    rows = [text.split() for text in stdout.splitlines()]
    assert ["started", "11", "10", "10", "10", "NO"] in rows
    assert ["run", "ids", "11", "-", "10", "10", "NO"] in rows
    assert stdout.splitlines()[-1] == "DIFFERS: race.", stdout
    assert f"the ledger of the jobs, and the stores' data: {ledger.parent.parent}" in stderr
    assert ledger.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("moment", ["at the start", "in the race", "in the fleet"])
def test_interrupted_demo_leaves_no_process(marked: Marked, number: signal.Signals, moment: str) -> None:
    """Ctrl-C, SIGTERM and even SIGKILL leave no process; the first two no file either."""
    demo = marked.start("demo")
    if moment == "at the start":
        until("the first program", lambda: len(marked.left()) > 1 or None, 60)
    elif moment == "in the race":
        until("a job", lambda: _ledgers(marked, "hub_import") or None, 60)
    else:
        until("a run of the fleet", lambda: _ledgers(marked, "highest_report") or None, 60)
    demo.send_signal(number)
    _, stderr = demo.communicate(timeout=30)
    # Sooner than the flush of a job that has lost its collector.
    marked.wait_until_none_is_left(10)
    if number != signal.SIGKILL:
        assert demo.returncode == 130
        assert stderr.splitlines()[-1].endswith("interrupted; everything that was started is stopped")
        assert list(marked.folder.glob("batchtel-demo-*")) == []


@pytest.fixture
def mine(stack: Stack, tmp_path: Path) -> Path:
    """An environment whose stores are those of a stack that runs already."""
    file = tmp_path / "mine.yaml"
    stores = {
        "prometheus": {"endpoint": f"{stack.prometheus}/api/v1/write"},
        "victorialogs": {"endpoint": f"{stack.victorialogs}/insert/opentelemetry"},
        "jaeger": {"endpoint": f"127.0.0.1:{stack.ports.jaeger_otlp}", "query": stack.jaeger},
    }
    file.write_text(yaml.safe_dump({"base": "local", "name": "mine", "export_interval": "2s", **stores}))
    return file


def test_stores_that_run_already(marked: Marked, stack: Stack, mine: Path) -> None:
    """With --env the same jobs are compared with the stores of an environment, and only they are counted."""
    for _ in range(2):
        demo = marked.start("demo", "--json", "--env", str(mine))
        stdout, stderr = demo.communicate(timeout=DEMO_SECONDS)
        assert demo.returncode == 0, stdout + stderr
        document = json.loads(stdout)
        assert document["ok"] is True
        assert {product for one in document["scenarios"] for product in one["observed"]} == {
            "prometheus",
            "victorialogs",
            "jaeger",
        }
        assert "starting collector; data" in stderr
        assert marked.left() == {}
    services = {labels["job"] for labels in stack.stores.prometheus.series(queries.EVERYTHING) if "job" in labels}
    assert len([service for service in services if service.startswith("batchtel-demo-")]) == 2


def test_stores_that_cannot_be_compared(
    marked: Marked, prometheus_program: Path, mine: Path, tmp_path: Path, free_ports: Callable[[int], list[int]]
) -> None:
    """Each problem is reported before a job runs: no store to query, no rules in Prometheus, contradicting options."""
    nowhere = marked.run("demo", "--report", str(tmp_path / "none" / "demo.html"))
    assert (nowhere.returncode, "there is no such folder, or it cannot be written; name another" in nowhere.stderr) == (
        2,
        True,
    )
    both = marked.run("demo", "--keep", "--env", str(mine))
    assert (both.returncode, both.stderr) == (
        2,
        "error: --keep leaves a stack of the demo's own, and --env starts none; leave one of them out\n",
    )
    vendor = marked.run("demo", "--env", "vendor")
    assert (vendor.returncode, vendor.stderr) == (
        2,
        "error: the environment vendor cannot be queried:\n"
        "  no store of metrics can be queried; write prometheus: {endpoint: ...}\n"
        "  no store of logs can be queried; write loki or victorialogs: {endpoint: ...}\n"
        "  no store of traces can be queried; write tempo or jaeger: {endpoint: ...}\n",
    )
    (tmp_path / "prometheus.yml").write_text("{}")
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    command: list[str | Path] = [prometheus_program, f"--config.file={tmp_path / 'prometheus.yml'}"]
    command += [f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address={url.removeprefix('http://')}"]
    mine.write_text(f"{mine.read_text()}\naggregation: stock\n".replace("prometheus:", f"prometheus:\n  query: {url}"))
    with Program(command, tmp_path / "log", f"{url}/-/ready"):
        bare = marked.run("demo", "--env", str(mine))
    assert bare.returncode == 1
    (message,) = [line for line in bare.stderr.splitlines() if line.startswith("error: ")]
    assert message.startswith(
        f"error: Prometheus at {url} does not evaluate {len(rules.names())} of batchtel's recording rules, such as "
        "batch_job_alive_time_seconds:increment, by which counts are read. Add "
    )
    assert message.endswith("rules.yaml to its rule_files, reload it, and call the same command again")
    assert marked.left() == {}


def test_missing_data_set() -> None:
    """Without the package of the data nothing is started, and the error names what to install."""
    code = "import sys; sys.modules['airportsdata'] = None; from batchtel.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "demo"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "error: `batchtel demo` needs the data of the package airportsdata, which is missing: "
        "pip install 'batchtel[platform]'\n"
    )


def test_the_service_of_a_demo_is_a_label_as_it_is() -> None:
    """The collector finds no date, number or id in it, of which each run would make another series."""
    names = {unique_service() for _ in range(1000)}
    assert len(names) == 1000
    assert not [name for name in names for pattern in prometheus_names.UNBOUNDED if re.search(pattern, name)]
