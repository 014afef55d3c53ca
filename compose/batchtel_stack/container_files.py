"""The files that the programs of compose.yaml read, made as those of the stack without containers.

They are committed in `compose/configuration`, so that `docker compose up` needs no Python; `make generate` writes them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from batchtel_collector.environment.durations_and_sizes import go_duration
from batchtel_collector.environment.load import load
from batchtel_collector.environment.model import Environment
from batchtel_collector.render.configuration import render
from batchtel_dashboards.alerts import alertmanager, rule_file
from batchtel_dashboards.alerts.links import Links
from batchtel_dashboards.boards import provisioning
from batchtel_stack import backend_files
from batchtel_stack.ports import HOST, Ports

PROFILES: Final = ("grafana", "apache")
"""The profiles of compose.yaml, the default first: stores of logs and traces, and what shows them."""

_PACKAGED: Final = Path(__file__).parent / "containers"


def folder() -> Path:
    """Return the folder of compose.yaml: that of the wheel, or `compose` of a checkout."""
    return _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[1]


def environment(profile: str) -> Path:
    """Return the environment file of one of PROFILES."""
    return folder() / "configuration" / profile / "environment.yaml"


def settings() -> dict[str, str]:
    """Return the variables of .env: images, ports and the default profile."""
    lines = (folder() / ".env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def text(path: str) -> str:
    """Return the text of one of PATHS.

    Raises:
        InvalidEnvironmentError: the environment file of a profile is wrong.
    """
    return _MADE[path]()


def _prometheus() -> str:
    rules, port = ["/etc/batchtel/alerts.yaml"], Ports().alertmanager
    return backend_files.prometheus(_settings("apache").export_interval, rules, f"alertmanager:{port}")


def _alerts() -> str:
    # Whoever reads an alert sits at the machine on which the pages are published.
    return rule_file.text((), _settings("apache").aggregation, Links(ui=f"http://{HOST}:{Ports().ui}"))


def _jaeger() -> str:
    return backend_files.jaeger("0.0.0.0", Ports(), "/data", go_duration(_settings("apache").retention.detail))


def _settings(profile: str) -> Environment:
    return load(str(environment(profile)))


_MADE: Final[dict[str, Callable[[], str]]] = {
    **{f"{profile}/collector.yaml": partial(lambda name: render(_settings(name)), profile) for profile in PROFILES},
    "prometheus/prometheus.yml": _prometheus,
    "prometheus/alerts.yaml": _alerts,
    "alertmanager/alertmanager.yaml": alertmanager.local,
    "jaeger/jaeger.yaml": _jaeger,
    "provisioning/dashboards/batchtel.yaml": partial(provisioning.provider, Path("/etc/batchtel/boards")),
    "provisioning/datasources/batchtel.yaml": partial(provisioning.sources, "loki-tempo"),
}

PATHS: Final = tuple(_MADE)
"""The files that are made, by path below `configuration`; those of Loki and Tempo are written by hand."""
