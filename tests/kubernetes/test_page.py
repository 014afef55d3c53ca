"""The commands of docs/operations/kubernetes.md, from an empty cluster to a run that is found by its id."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml

from batchtel_stack.ports import Ports
from batchtel_stack.stack import Stack
from tests.kubernetes.cluster import ZONES, Cluster, running
from tests.kubernetes.node import ROOT, Kubelet
from tests.support.pages import blocks_of
from tests.support.polling import until
from tests.support.program import fetch

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.skipif(
        subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0,
        reason="volumes of pods are mounted in a namespace, which needs root with CAP_SYS_ADMIN",
    ),
]

PAGE = ROOT / "docs" / "operations" / "kubernetes.md"

NAMESPACES = ("batchtel", "batchtel-agents", "shop")

GATEWAYS = {
    f"batchtel/batchtel-gateway-{index}": f"batchtel-gateway-{index}.batchtel-gateway.batchtel.svc"
    for index in range(3)
}


def commands() -> list[str]:
    """Return the commands of the page, in its order."""
    return [line.removeprefix("$ ") for block in blocks_of(PAGE, "console") for line in block.splitlines()]


SHOW = next(command for command in commands() if "batchtel runs show" in command)
"""The command that finds the run, which is called until the stores have it."""


@dataclass(frozen=True)
class Walked:
    """A cluster on which all commands but SHOW were called, and the stores of its gateways."""

    cluster: Cluster
    kubelet: Kubelet
    stack: Stack
    folder: Path
    variables: Mapping[str, str]


@pytest.fixture(scope="module")
def walked(
    programs: Mapping[str, Path], collector_program: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Walked]:
    """A cluster of its own, where pods run as processes."""
    folder = tmp_path_factory.mktemp("page")
    with (
        Stack.running(folder / "stack", Ports.free(), export_interval="1s") as stack,
        running(programs, tmp_path_factory.mktemp("control-plane")) as cluster,
    ):
        # Programs of pods are users of their own, who have to reach their volumes.
        for part in (cluster.folder, *cluster.folder.parents):
            if part.is_relative_to(tmp_path_factory.getbasetemp().parent):
                part.chmod(0o755)
        _write_files(folder, stack)
        _leave_a_damaged_queue(cluster)
        kubelet = Kubelet(cluster, {"collector": collector_program}, GATEWAYS)
        tools = f"{programs['kubectl'].parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        # The caches, in which the collector is, may be elsewhere than in HOME.
        kept = {name: os.environ[name] for name in ("HOME", "XDG_CACHE_HOME") if name in os.environ}
        variables = kept | {"PATH": tools, "KUBECONFIG": str(cluster.kubeconfig)}
        try:
            for command in commands():
                if command != SHOW:
                    _call(command, folder, variables, kubelet)
            yield Walked(cluster, kubelet, stack, folder, variables)
        finally:
            kubelet.stop()


def _write_files(folder: Path, stack: Stack) -> None:
    """Write the files of the page, with the addresses of stores that are there instead of its examples."""
    ports = stack.ports
    stores = {
        "https://prometheus.example.com/api/v1/write": f"http://127.0.0.1:{ports.prometheus}/api/v1/write",
        "https://victorialogs.example.com/insert/opentelemetry": (
            f"http://127.0.0.1:{ports.victorialogs}/insert/opentelemetry"
        ),
        # This one speaks no TLS, without which gRPC sends no token.
        "jaeger.example.com:4317\n  token: ${env:BATCHTEL_STORES_TOKEN}": f"127.0.0.1:{ports.jaeger_otlp}\n  query: http://127.0.0.1:{ports.jaeger}",
    }
    for text in blocks_of(PAGE, "yaml"):
        name = text.splitlines()[0].removeprefix("# ")
        for example, real in stores.items():
            text = text.replace(example, real)
        (folder / name).write_text(text, encoding="utf-8")
    for name in ("stores-token", "metrics-token"):
        (folder / name).write_text("the-stores-here-ask-for-none")


def _leave_a_damaged_queue(cluster: Cluster) -> None:
    """Leave what an agent that was root would have left on a node: a file that only root reads, and damaged."""
    queue = cluster.folder / "node-0" / "var/lib/batchtel/queue"
    queue.mkdir(parents=True)
    file = queue / "exporter_otlp_grpc_gateway_0_metrics"
    file.write_bytes(b"no page of bbolt" * 512)
    file.chmod(0o600)


def _call(command: str, folder: Path, variables: Mapping[str, str], kubelet: Kubelet) -> None:
    """Call a command of the page; meanwhile pods are started and watched."""
    process = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=dict(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        while True:
            kubelet.step(NAMESPACES)
            try:
                output, _ = process.communicate(timeout=0.05)
                break
            except subprocess.TimeoutExpired:
                continue
    finally:
        process.kill()
        process.wait()
    pods = "\n".join(f"{pod.name}: {pod.text()}" for pod in kubelet.pods.values())
    assert process.returncode == 0, f"{command}\n{output}\n{pods}"


def test_the_run_is_found_by_its_id(walked: Walked) -> None:
    """The command of the page shows the run, of its job, with the output of a success."""
    shown: list[subprocess.CompletedProcess[str]] = []

    def found() -> bool | None:
        shown[:] = [
            subprocess.run(
                ["bash", "-c", SHOW],
                cwd=walked.folder,
                env=dict(walked.variables),
                capture_output=True,
                text=True,
                check=False,
            )
        ]
        return shown[0].returncode == 0 or None

    until("the run", found, 60, lambda: shown[0].stdout + shown[0].stderr)
    assert "nightly-etl-first" in shown[0].stdout
    assert "success" in shown[0].stdout


def _query(walked: Walked, query: str) -> list[dict[str, str]]:
    answer = fetch(f"http://127.0.0.1:{walked.stack.ports.prometheus}/api/v1/query?query={quote(query)}")
    return [one["metric"] for one in json.loads(answer)["data"]["result"] if float(one["value"][1]) > 0]


def test_the_run_is_counted_once_under_names_that_stay(walked: Walked) -> None:
    """By one gateway, whose `instance` is its pod of the StatefulSet; each agent is its node in its own metrics."""
    query = 'batch_job_completions_total{job_name="nightly-etl",deployment_environment_name="cluster"} == 1'
    (series,) = until("the run in Prometheus", lambda: _query(walked, query) or None, 60)
    assert (series["status"], series["job"]) == ("success", "shop")
    assert re.fullmatch("batchtel-gateway-[012]", series["instance"])
    agents = 'otelcol_exporter_queue_capacity{exporter="otlp_grpc/gateway_0",data_type="metrics"}'

    def nodes() -> list[str] | None:
        found = sorted({series["instance"] for series in _query(walked, agents)})
        return found if len(found) == len(ZONES) else None

    assert until("the metrics of each agent", nodes, 60) == sorted(ZONES)


def test_no_process_of_a_collector_is_root(walked: Walked) -> None:
    """Each runs as its own user without a capability, and its queue on the node is that user's."""
    for node in ZONES:
        queue = walked.cluster.folder / node / "var/lib/batchtel/queue"
        assert {file.stat().st_uid for file in (queue, *queue.rglob("*"))} == {10001}
    damaged = [file.name for file in walked.cluster.folder.glob("*/var/lib/batchtel/queue/*.damaged")]
    assert [name.partition(".")[0] for name in damaged] == ["exporter_otlp_grpc_gateway_0_metrics"]
    states = [state for pod in walked.kubelet.pods.values() for state in pod.states()]
    assert len(states) == len(ZONES) + len(GATEWAYS)
    assert {state["Uid"].split()[1] for state in states} == {"10001"}
    assert {int(state[kind], 16) for state in states for kind in ("CapEff", "CapPrm", "CapBnd")} == {0}


def test_one_gateway_at_a_time_may_be_evicted(walked: Walked) -> None:
    """The controller of budgets counts the three as healthy, and allows one disruption."""

    def allowed() -> int | None:
        walked.kubelet.step(NAMESPACES)
        (budget,) = walked.cluster.items("poddisruptionbudgets", "batchtel")
        status = budget["status"]
        return int(status["disruptionsAllowed"]) if status["currentHealthy"] == len(GATEWAYS) else None

    assert until("three healthy gateways", allowed, 30) == 1


def test_the_page_has_what_the_commands_print(walked: Walked) -> None:
    """The sample of a CronJob has the variables and mounts of `config variables`, all of them."""
    printed = subprocess.run(
        ["bash", "-c", next(command for command in commands() if "config variables" in command)],
        cwd=walked.folder,
        env=dict(walked.variables),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    expected = yaml.safe_load(printed)
    cron_job = yaml.safe_load((walked.folder / "nightly-etl.yaml").read_text())
    pod = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["env"][-len(expected["env"]) :] == expected["env"]
    assert container["volumeMounts"] == expected["volumeMounts"]
    assert pod["volumes"] == expected["volumes"]
