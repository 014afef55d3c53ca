"""Validation of values of an environment against each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from batchtel.schema import signals
from batchtel_collector.environment.destinations import Destination, Loki, Vendor, VictoriaLogs
from batchtel_collector.environment.document import Path
from batchtel_collector.environment.model import Environment
from batchtel_collector.environment.values import has_reference, is_loopback, is_sensitive

_NOT_OTLP: Final = ("/v1/logs", "/v1/traces", "/v1/metrics", "/loki/api/v1/push", "/insert/jsonline")
"""Ends of addresses that are for other clients, or that the exporter adds by itself."""

_LONGEST_INTERVAL: Final = timedelta(minutes=2)
"""Prometheus marks a series stale 5 minutes after its last sample; two intervals have to fit in."""

_SHORTEST_EXPIRY: Final = timedelta(hours=1)
_LEAST_MEMORY: Final = 128 * 2**20
"""A collector with few series uses 80 MiB (`make bench`, group `collector`).

With too little above that it rejects everything.
"""

_SIGNALS: Final = (
    ("metrics", "metrics", ("prometheus",)),
    ("logs", "log records", ("loki", "victorialogs")),
    ("traces", "spans", ("tempo", "jaeger")),
)
"""A signal, its name in messages, and the keys of the stores that it can go to."""


def inconsistencies(environment: Environment) -> Iterator[tuple[Path, str]]:
    """Yield the path and the message of each contradiction."""
    yield from _quantities(environment)
    yield from _listeners(environment)
    yield from _destinations(environment)
    yield from _metrics(environment)
    yield from _names(environment)
    yield from _secrets(environment)


def _quantities(environment: Environment) -> Iterator[tuple[Path, str]]:
    if environment.export_interval > _LONGEST_INTERVAL:
        yield ("export_interval",), "export_interval is longer than 2m, so series would have gaps; write 2m or less"
    if environment.memory_limit < _LEAST_MEMORY:
        message = "memory_limit is less than 128MiB, so every request would be rejected; write 128MiB or more"
        yield ("memory_limit",), message
    if environment.queue.size < _LEAST_QUEUE:
        yield ("queue", "size"), "queue.size is less than 8MiB, which a few requests fill; write 8MiB or more"
    if environment.expiry < _SHORTEST_EXPIRY:
        yield ("expiry",), "expiry is shorter than 1h, so series would end between two runs; write 1h or more"


_LEAST_QUEUE: Final = 8 * 2**20
"""Four requests of the 2 MiB that a queue is emptied by; a collector does not start with less than one."""


def _listeners(environment: Environment) -> Iterator[tuple[Path, str]]:
    if environment.listen.statsd is not None and environment.role == "agent":
        message = "listen.statsd: an agent does not receive StatsD; write null, and open it at one gateway"
        yield ("listen", "statsd"), message
    elif environment.listen.statsd is not None and not environment.airflow_metrics:
        message = "listen.statsd: no metric of it is kept; write airflow_metrics: true, or listen: {statsd: null}"
        yield ("listen", "statsd"), message
    authenticated = environment.token is not None or (environment.tls is not None and environment.tls.client_ca)
    for key in ("otlp_grpc", "otlp_http"):
        address = getattr(environment.listen, key)
        if is_loopback(address) or environment.listen.plaintext or (environment.tls is not None and authenticated):
            continue
        missing = "tls" if authenticated else "token" if environment.tls else "tls and token"
        yield (
            ("listen", key),
            f'listen.{key}: "{address}" would be open to other machines without '
            f"{'encryption' if missing == 'tls' else 'a password'}; "
            f'write "127.0.0.1:{address.rpartition(":")[2]}", or set {missing}',
        )


def _destinations(environment: Environment) -> Iterator[tuple[Path, str]]:
    if environment.role == "agent":
        if environment.gateways is None:
            yield (), "gateways is missing, which an agent sends to; write gateways: {endpoints: [...]}"
    else:
        for signal, name, keys in _SIGNALS:
            if not environment.storing(signal):
                yield (), f"{name} have no destination; write {' or '.join(keys)}: {{endpoint: ...}}, or vendor"
    for key, destination in environment.destinations.items():
        for address in destination.addresses:
            if address.startswith("http://") and not is_loopback(address) and not destination.plaintext:
                yield (
                    (key, "endpoint"),
                    f'{key}.endpoint: "{address}" would be sent to in plaintext; write https://, '
                    f"or {key}.plaintext: true where the network is trusted",
                )
        if problem := _path(key, destination):
            yield (key, "endpoint"), problem
        if (destination.certificate is None) != (destination.key is None):
            yield (key,), f"{key}: certificate and key belong together; write both or none"


def _path(key: str, destination: Destination) -> str:
    """Return what is wrong with the path of an OTLP address over HTTP, "" if nothing is."""
    if not isinstance(destination, Loki | VictoriaLogs | Vendor):
        return ""
    own = getattr(destination, "write_path", "")
    path = urlsplit(destination.endpoint).path.rstrip("/")
    wrong = next((end for end in _NOT_OTLP if path.endswith(end)), None)
    if wrong is None and (path or not own):
        return ""
    right = destination.endpoint.rstrip("/").removesuffix(wrong or "")
    if not urlsplit(right).path.rstrip("/"):
        right = right.rstrip("/") + own
    return f'{key}.endpoint: "{destination.endpoint}" is not the OTLP address of a store; write "{right}"'


def _metrics(environment: Environment) -> Iterator[tuple[Path, str]]:
    own = {metric.name for metric in signals.METRICS}
    for name, rule in environment.metrics.items():
        if name in own:
            yield ("metrics", name), f"metrics.{name}: the labels of batchtel's own metrics are fixed; remove it"
        elif _is_reserved(name):
            message = (
                "Prometheus would write it into the series of batchtel or the collector; give the metric another name"
            )
            yield ("metrics", name), f"metrics.{name}: {message}"
        for label in set(rule.values) - {*rule.labels, *signals.labels()}:
            path = ("metrics", name, "values", label)
            yield path, f"metrics.{name}.values.{label}: {label} is not among its labels; write labels: [{label}]"


def _is_reserved(name: str) -> bool:
    """Whether run_rollup rejects every metric of this name, see roll_up.yaml.j2; a counter loses each part `total`."""
    parts = [part for part in re.findall("[A-Za-z0-9:]+", name) if part != "total"]
    return parts[:1] == ["otelcol"] or parts[:2] in (["batch", "job"], ["batch", "step"])


def _names(environment: Environment) -> Iterator[tuple[Path, str]]:
    if environment.unknown_jobs == "other" and environment.catalogue is None:
        message = (
            "unknown_jobs: other needs the names of jobs, else all of them are `other`; write catalogue: ./jobs.toml"
        )
        yield ("unknown_jobs",), message
    if environment.instance.startswith("${env:BATCHTEL_SHARD"):
        message = (
            "instance: BATCHTEL_SHARD is now BATCHTEL_INSTANCE, which the manifests set; write ${env:BATCHTEL_INSTANCE}"
        )
        yield ("instance",), message


def _secrets(environment: Environment) -> Iterator[tuple[Path, str]]:
    for key, destination in environment.destinations.items():
        for header, value in destination.headers.items():
            if is_sensitive(header) and not has_reference(value):
                path: Path = (key, "headers", header)
                yield path, f'{key}.headers.{header} has a secret in it; write "${{env:NAME}}" in its place'
    for section in ("receivers", "exporters"):
        for name, component in getattr(environment, section).items():
            yield from _bare((section, name, "settings"), component.settings)


def _bare(path: Path, settings: object) -> Iterator[tuple[Path, str]]:
    """Yield the settings below `path` that are secrets by their name and text by their value."""
    if isinstance(settings, dict):
        for key, value in settings.items():
            if isinstance(value, str) and is_sensitive(key) and not has_reference(value) and "file" not in key:
                dotted = ".".join(map(str, (*path, key)))
                yield (*path, key), f'{dotted} has a secret in it; write "${{env:NAME}}" in its place'
            yield from _bare((*path, key), value)
    elif isinstance(settings, list):
        for index, value in enumerate(settings):
            yield from _bare((*path, index), value)
