"""The configuration files of Prometheus and Jaeger, with and without containers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from batchtel_collector.environment.durations_and_sizes import go_duration
from batchtel_stack.ports import Ports

_TEMPLATES: Final = Path(__file__).parent / "backends"


def prometheus(export_interval: timedelta, rules: Sequence[str], alertmanager: str) -> str:
    """Return the configuration of Prometheus.

    Args:
        export_interval: how often rules are evaluated.
        rules: absolute paths of its rule files.
        alertmanager: host:port of the Alertmanager.
    """
    return _rendered(
        "prometheus.yml.j2", export_interval=go_duration(export_interval), rules=rules, alertmanager=alertmanager
    )


def jaeger(listen: str, ports: Ports, data: str, retention: str) -> str:
    """Return the configuration of Jaeger.

    Args:
        listen: the address on which it listens.
        ports: where its own three ports are.
        data: absolute path of the folder of its data.
        retention: how long it keeps spans, as a duration of Go.
    """
    return _rendered(
        "jaeger.yaml.j2",
        listen=listen,
        http_port=ports.jaeger,
        grpc_port=ports.jaeger_grpc,
        otlp_port=ports.jaeger_otlp,
        data=data,
        retention=retention,
    )


def _rendered(name: str, **values: object) -> str:
    templates = Environment(loader=FileSystemLoader(_TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True)
    return templates.get_template(name).render(values)
