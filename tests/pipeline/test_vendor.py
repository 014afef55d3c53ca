"""The environment `vendor`: TLS and an API key to a real OTLP endpoint, three signals, totals that are right."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from batchtel_collector.environment.load import load
from batchtel_collector.render.configuration import render
from tests.pipeline.bench import Listen
from tests.pipeline.conftest import Prometheus, Start
from tests.pipeline.tiers import send
from tests.support import certificates, file_sink
from tests.support.polling import until
from tests.support.program import Program

KEY = "a-key-of-the-vendor"


def _vendor(folder: Path, port: int, health: int) -> dict[str, Any]:
    """Return the configuration of a collector in the vendor's place: it wants TLS and the key, and writes files."""
    signals = ("metrics", "logs", "traces")
    http = {
        "endpoint": f"127.0.0.1:{port}",
        "tls": {"cert_file": str(folder / "tls.crt"), "key_file": str(folder / "tls.key")},
        "auth": {"authenticator": "bearertokenauth"},
    }
    return {
        "extensions": {
            "health_check": {"endpoint": f"127.0.0.1:{health}"},
            "bearertokenauth": {"header": "api-key", "scheme": "", "token": KEY},
        },
        "receivers": {"otlp": {"protocols": {"http": http}}},
        "exporters": {
            f"file/{signal}": {"path": str(folder / f"{signal}.json"), "flush_interval": "20ms"} for signal in signals
        },
        "service": {
            "extensions": ["health_check", "bearertokenauth"],
            "telemetry": {"logs": {"level": "warn"}, "metrics": {"level": "none"}},
            "pipelines": {signal: {"receivers": ["otlp"], "exporters": [f"file/{signal}"]} for signal in signals},
        },
    }


def _blocks(file: Path, key: str) -> list[tuple[dict[str, str], dict[str, Any]]]:
    """Return the resource attributes and the content of every block that arrived."""
    found = []
    for line in file_sink.lines(file):
        for block in json.loads(line)[key]:
            attributes = {pair["key"]: pair["value"].get("stringValue") for pair in block["resource"]["attributes"]}
            found.append((attributes, block))
    return found


def _count(file: Path, resources: str, scopes: str, items: str) -> int:
    """Return how many log records or spans of the test's service have arrived."""
    return sum(
        len(scope[items])
        for attributes, block in _blocks(file, resources)
        if (attributes.get("service.name"), attributes.get("service.namespace")) == ("etl", "vendor")
        for scope in block[scopes]
    )


def test_a_vendor_gets_spans_log_records_and_totals(
    collector_program: Path, tmp_path: Path, free_ports: Callable[[int], list[int]]
) -> None:
    """Ten runs are ten spans, ten log records and a total of 10, under service.name and service.namespace."""
    certificates.issue(tmp_path)
    ports = free_ports(7)
    listen = Listen(*ports[:5])
    (tmp_path / "vendor.yaml").write_text(yaml.safe_dump(_vendor(tmp_path, ports[5], ports[6])), encoding="utf-8")
    overrides = {
        "listen": {key: f"127.0.0.1:{port}" for key, port in vars(listen).items()},
        "tls": None,
        "token": None,
        "vendor": {"endpoint": f"https://127.0.0.1:{ports[5]}", "ca": str(tmp_path / "ca.crt")},
        "queue": {"folder": str(tmp_path / "queue"), "size": "16MiB"},
        "export_interval": "1s",
        "instance": "standalone-0",
    }
    (tmp_path / "collector.yaml").write_text(render(load("vendor", overrides)), encoding="utf-8")
    vendor = Program(
        [collector_program, "--config", tmp_path / "vendor.yaml"],
        tmp_path / "vendor.log",
        f"http://127.0.0.1:{ports[6]}",
    )
    collector = Program(
        [collector_program, "--config", tmp_path / "collector.yaml"],
        tmp_path / "collector.log",
        f"http://127.0.0.1:{listen.health}",
        {**os.environ, "VENDOR_API_KEY": KEY},
    )

    def totals() -> list[int]:
        return [
            round(float(point.get("asDouble", point.get("asInt", 0))))
            for attributes, block in _blocks(tmp_path / "metrics.json", "resourceMetrics")
            if attributes.get("service.namespace") == "vendor" and attributes["service.name"] == "etl"
            for scope in block["scopeMetrics"]
            for metric in scope["metrics"]
            if metric["name"] == "batch.job.completions"
            for point in metric["sum"]["dataPoints"]
            if metric["sum"]["aggregationTemporality"] == 2
        ]

    def detail() -> tuple[int, int]:
        return (
            _count(tmp_path / "logs.json", "resourceLogs", "scopeLogs", "logRecords"),
            _count(tmp_path / "traces.json", "resourceSpans", "scopeSpans", "spans"),
        )

    with vendor, collector:
        send(listen.otlp_http, "vendor", "nightly", 10)
        until(
            "ten spans and ten log records at the vendor",
            lambda: True if detail() == (10, 10) else None,
            30,
            lambda: f"last seen {detail()}\n{collector.tail()}",
        )
        until(
            "a total of 10 at the vendor",
            lambda: True if totals()[-1:] == [10] else None,
            30,
            lambda: f"last seen {totals()}\n{collector.tail()}",
        )
        assert totals() == sorted(totals()), "a total never falls"
        assert KEY not in collector.tail(1000)


def test_a_vendor_that_hangs_delays_no_total_in_prometheus(start: Start, prometheus: Prometheus) -> None:
    """Jobs that are new in each interval are in Prometheus within seconds, while no request to the vendor ends."""
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        address = f"http://127.0.0.1:{hanging.getsockname()[1]}"
        more = {"aggregation": "exact", "prometheus": {"endpoint": prometheus.write}, "vendor": {"endpoint": address}}
        with start(more) as bench:
            for number in range(8):
                send(bench.listen.otlp_http, "hanging", f"job_{number}", 2)
                until(f"job {number} in Prometheus", partial(_is_counted, prometheus, number), 8, bench.program.tail)
                time.sleep(1)


def _is_counted(prometheus: Prometheus, number: int) -> bool | None:
    job = f'batch_job_completions_total{{job="hanging/etl",job_name="job_{number}"}}'
    return True if prometheus.values(f"increase({job}[1m]) > 0", "job_name") else None
