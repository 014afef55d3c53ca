"""What Airflow's own metrics look like on the wire: `python -m tests.airflow.own_metrics 3.3` writes it down.

A real Airflow runs the DAGs of the tests beside a real collector, which keeps every OTLP request that it gets; of those
comes tests/airflow/3.3/own_metrics.txt, and that of 3.1. Airflow 2 sends none by OTLP.
"""

from __future__ import annotations

import json
import socket
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from batchtel_collector.check import collector_binary
from batchtel_stack import ports
from tests.airflow import lines
from tests.airflow.installation import HERE
from tests.support.program import Program

SCOPE: Final = ".metrics.otel_logger"
"""How the scope of Airflow's own metrics ends, in every version."""

_KINDS: Final = {
    ("sum", True): "counter",
    ("sum", False): "up-down counter",
    ("gauge", False): "gauge",
    ("histogram", False): "histogram",
    ("exponentialHistogram", False): "exponential histogram",
}
_TEMPORALITIES: Final = {0: "", 1: " (delta)", 2: " (cumulative)"}

_COLLECTOR: Final = """\
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{otlp}"}}}}}}}}
exporters: {{file: {{path: "{file}"}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  extensions: [health_check]
  pipelines: {{metrics: {{receivers: [otlp], exporters: [file]}}}}
extensions: {{health_check: {{endpoint: "127.0.0.1:{health}"}}}}
"""


def recorded(version: str, folder: Path) -> Iterator[dict[str, Any]]:
    """Run Airflow `version` with its metrics switched on and yield the OTLP requests with metrics, as JSON has them."""
    file, configuration = folder / "metrics.json", folder / "collector.yaml"
    otlp, health = ports.free(2)
    configuration.write_text(_COLLECTOR.format(otlp=otlp, health=health, file=file), encoding="utf-8")
    endpoint = f"http://127.0.0.1:{otlp}"
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **lines.own_metrics(version, endpoint, "")}
    command: list[str | Path] = [collector_binary.find(), "--config", configuration]
    with (
        Program(command, folder / "collector.log", f"http://127.0.0.1:{health}"),
        lines.running(version, folder / "home", HERE / "dags", variables) as airflow,
    ):
        airflow.wait("race", "etl", "outcomes")
    for line in file.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def table(requests: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield one line for each name: name, kind, unit, keys of its attributes; then resources and scopes."""
    found: dict[str, tuple[str, str, set[str]]] = {}
    origins: set[str] = set()
    for block in (block for request in requests for block in request["resourceMetrics"]):
        for scope in block["scopeMetrics"]:
            name = scope.get("scope", {}).get("name", "")
            if name.endswith(SCOPE):
                origins.add(f"scope {name}")
                origins.add(f"resource {' '.join(sorted(pair['key'] for pair in block['resource']['attributes']))}")
                _add(found, scope["metrics"])
    for name, (kind, unit, keys) in sorted(found.items()):
        shown = name.replace(socket.gethostname().lower(), "{hostname}")
        yield f"{shown} | {kind} | {unit or '-'} | {' '.join(sorted(keys)) or '-'}"
    yield from sorted(origins)


def _add(found: dict[str, tuple[str, str, set[str]]], metrics: Iterable[dict[str, Any]]) -> None:
    for metric in metrics:
        shape = next(shape for shape, _ in _KINDS if shape in metric)
        data = metric[shape]
        kind = _KINDS[shape, bool(data.get("isMonotonic"))] + _TEMPORALITIES[data.get("aggregationTemporality", 0)]
        _, _, keys = found.setdefault(metric["name"], (kind, metric.get("unit", ""), set()))
        keys.update(pair["key"] for point in data["dataPoints"] for pair in point.get("attributes", ()))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        text = "\n".join(table(recorded(sys.argv[1], Path(made)))) + "\n"
    (HERE / sys.argv[1] / "own_metrics.txt").write_text(text, encoding="utf-8")
