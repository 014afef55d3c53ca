"""Validation of a rendered configuration, with a real collector."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Final

from batchtel_collector.check import collector_binary
from batchtel_collector.check.secrets import secrets_in
from batchtel_collector.check.series_budget import budget
from batchtel_collector.environment.document import InvalidDocumentError
from batchtel_collector.environment.model import Environment
from batchtel_collector.environment.values import required_variables
from batchtel_collector.render import overrides
from batchtel_collector.render.configuration import render

KEYS: Final = {
    "file_storage/queue": "queue.folder",
    "health_check": "listen.health",
    "otlp": "listen.otlp_grpc or listen.otlp_http",
    "prometheus/cadence": "export_interval, instance or listen.scrape",
    "prometheus/series": "listen.scrape",
    "prometheus_remote_write": "prometheus.endpoint",
    "otlp_http/loki": "loki.endpoint",
    "otlp_http/victorialogs": "victorialogs.endpoint",
    "otlp_grpc/tempo": "tempo.endpoint",
    "otlp_grpc/jaeger": "jaeger.endpoint",
    "otlp_grpc/gateway_[0-9]+": "gateways",
    "otlp_http/vendor(_metrics)?": "vendor",
    "bearertokenauth/senders": "token",
    "memory_limiter": "memory_limit",
    "run_rollup": "queue.folder, export_interval, expiry, series_limit or metrics",
    "delta_to_cumulative": "expiry or series_limit",
}
"""Component of the rendered configuration, as a regular expression -> the keys that decide how it is configured."""


def problems_of(environment: Environment, collector: Path) -> list[str]:
    """Render `environment` and return what is wrong with the result, one message per problem.

    Secrets are looked for, the expected jobs are compared with the limit of series, and `collector` validates the
    text. A variable that the configuration refers to and that is not set here stands as a placeholder.

    Raises:
        CollectorUnavailableError: the collector cannot be run.
        InvalidDocumentError: the overrides cannot be read, or hold a secret.
    """
    text = render(environment)
    if secrets := secrets_in(text):
        if environment.overrides and (located := overrides.located(secrets, Path(environment.overrides))):
            raise InvalidDocumentError("overrides", environment.overrides, located)
        # The collector's own messages could repeat them.
        return [secret.message for secret in secrets]
    problems: list[str] = []
    if environment.role != "agent" and (problem := budget(environment).problem):
        problems.append(problem)
    with tempfile.TemporaryDirectory(prefix="batchtel-check-") as folder:
        configuration = Path(folder) / f"{environment.name}.yaml"
        configuration.write_text(text, encoding="utf-8")
        lines = collector_binary.validation_errors(collector, configuration, _placeholders(text))
    return problems + [_explained(line, collector) for line in _problems(lines)]


def _placeholders(text: str) -> dict[str, str]:
    return {name: "placeholder" for name in required_variables(text) if not os.environ.get(name)}


def _problems(lines: list[str]) -> list[str]:
    """Join the heading lines of the collector, which end in a colon, with what they introduce."""
    problems: list[str] = []
    heading = ""
    for line in lines:
        text = line.removeprefix("Error: ")
        if text.endswith("error(s):"):
            heading = text if "reading configuration for" in text else ""
        else:
            problems.append(f"{heading} {text}".strip())
    return problems


def _explained(problem: str, collector: Path) -> str:
    if 'unknown type: "run_rollup"' in problem:
        return (
            f"{problem}; {collector} is {collector_binary.version(collector)}, and run_rollup is in the collector of "
            "`batchtel stack build` only: name that one with --collector FILE, or write aggregation: stock"
        )
    if "unknown type:" in problem or "has invalid keys:" in problem:
        return (
            f"{problem}; {collector} is {collector_binary.version(collector)}, the configuration is made for the "
            f"components of contrib {collector_binary.VERSION}: name such a collector with --collector FILE"
        )
    for component, keys in KEYS.items():
        if re.search(rf"(::|\")({component})(::|:|\"|$)", problem):
            return f"{problem}; the environment decides this by {keys}"
    return problem
