"""The environment variables of jobs: endpoint, credentials and attributes, in several formats.

A value may refer to other variables, which hold secrets: `${env:NAME}`. Each format has its own syntax of
references. Where it has none, the whole variable has to come from elsewhere, and a comment has an example.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import urlsplit

from batchtel_collector.environment.model import Environment
from batchtel_collector.environment.values import REFERENCE, is_loopback
from batchtel_collector.render import pod_variables

SYSTEMD_FILE: Final = "/etc/batchtel/secrets.env"
"""File from which systemd reads the secrets."""


def variables(environment: Environment) -> dict[str, str]:
    """Return the variables of jobs in this environment, by name; values may hold `${env:NAME}`."""
    jobs = environment.jobs
    found = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": jobs.endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta",
        "OTEL_METRIC_EXPORT_INTERVAL": str(int(environment.export_interval.total_seconds() * 1000)),
        "OTEL_RESOURCE_ATTRIBUTES": f"deployment.environment.name={environment.name}",
    }
    if not is_loopback(jobs.endpoint):
        found["OTEL_EXPORTER_OTLP_COMPRESSION"] = "gzip"
    if jobs.token:
        # The specification has values of this variable encoded as in URLs.
        found["OTEL_EXPORTER_OTLP_HEADERS"] = f"authorization=Bearer%20{jobs.token}"
    if jobs.ca:
        found["OTEL_EXPORTER_OTLP_CERTIFICATE"] = jobs.ca
    if jobs.spool:
        found["BATCHTEL_SPOOL_DIR"] = jobs.spool
    return found


def airflow_variables(environment: Environment) -> dict[str, str]:
    """Return the variables by which Airflow sends its own metrics: over OpenTelemetry, or StatsD if it is open.

    Empty where the environment does not keep them.
    """
    if not environment.airflow_metrics:
        return {}
    if environment.listen.statsd is None:
        return {
            "AIRFLOW__METRICS__OTEL_ON": "True",
            # What goes by the legacy names has its ids in them, and comes by the others too.
            "AIRFLOW__METRICS__LEGACY_NAMES_ON": "False",
            # Seconds, in Python: a task's process waits that long for a collector that hangs or is away, else 10 s.
            "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT": "2",
        }
    host, _, port = environment.listen.statsd.rpartition(":")
    # What listens on every address is reached where OTLP is.
    host = urlsplit(environment.jobs.endpoint).hostname or host if host in ("0.0.0.0", "[::]") else host
    return {
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_HOST": host.strip("[]"),
        "AIRFLOW__METRICS__STATSD_PORT": port,
        "AIRFLOW__METRICS__STATSD_PREFIX": environment.name,
    }


def older_airflow_variables(environment: Environment) -> dict[str, str]:
    """Return what Airflow 3.0 and 3.1 need for their metrics over OpenTelemetry, as those do not read OTEL_*.

    From 3.2 on these would only make every process warn that both are set. Airflow 2 has them too, but its protobuf is
    called JSON, with the exporters that batchtel needs, and every collector rejects that.
    """
    endpoint = urlsplit(environment.jobs.endpoint)
    return {
        "AIRFLOW__METRICS__OTEL_HOST": endpoint.netloc.removesuffix(f":{endpoint.port}"),
        "AIRFLOW__METRICS__OTEL_PORT": str(endpoint.port or {"http": 80, "https": 443}[endpoint.scheme]),
        "AIRFLOW__METRICS__OTEL_SSL_ACTIVE": str(endpoint.scheme == "https"),
        "AIRFLOW__METRICS__OTEL_INTERVAL_MILLISECONDS": variables(environment)["OTEL_METRIC_EXPORT_INTERVAL"],
    }


def _dotenv(environment: Environment) -> Iterator[str]:
    yield from _shell(variables(environment), f"set -a; . ./{environment.name}.env")


def _airflow(environment: Environment) -> Iterator[str]:
    yield from _shell(
        variables(environment) | airflow_variables(environment), "the environment of scheduler, workers and triggerer"
    )
    if not environment.airflow_metrics:
        yield "# Of its own metrics none are kept: leave AIRFLOW__METRICS__* out, or set airflow_metrics: true"
    elif environment.listen.statsd is None:
        yield "# For their own metrics Airflow 3.0 and 3.1 need these too; from 3.2 on leave them out:"
        for name, value in older_airflow_variables(environment).items():
            yield f'# {name}="{value}"'
        yield "# Airflow 2 cannot send its own metrics so: leave AIRFLOW__METRICS__* out, or set listen.statsd"


def _shell(found: dict[str, str], use: str) -> Iterator[str]:
    yield f"# Use: {use}"
    for name, value in found.items():
        escaped = re.sub(r'(["\\`])', r"\\\1", value)
        yield f'{name}="{_as_in_a_shell(escaped)}"'


def _as_in_a_shell(value: str) -> str:
    return REFERENCE.sub(r"${\g<name>\g<default>}", value)


def _docker(environment: Environment) -> Iterator[str]:
    yield f"# Use: docker run --env-file {environment.name}.env"
    for name, value in variables(environment).items():
        if REFERENCE.search(value):
            yield "# Docker expands nothing in this file; the value of a name alone comes from where docker is called:"
            yield f'#   export {name}="{_as_in_a_shell(value)}"'
            yield name
        else:
            yield f"{name}={value}"


def _kubernetes(environment: Environment) -> Iterator[str]:
    yield from pod_variables.container(environment, variables(environment))


def _instrumentation(environment: Environment) -> Iterator[str]:
    yield from pod_variables.instrumentation(environment, variables(environment))


def _systemd(environment: Environment) -> Iterator[str]:
    found = variables(environment)
    yield f"# Use: /etc/systemd/system/JOB.service.d/{environment.name}.conf"
    yield "[Service]"
    for name, value in found.items():
        if not REFERENCE.search(value):
            escaped = re.sub(r'(["\\])', r"\\\1", value).replace("%", "%%")
            yield f'Environment="{name}={escaped}"'
    referring = [(name, value) for name, value in found.items() if REFERENCE.search(value)]
    if referring:
        yield f"# {SYSTEMD_FILE}, which only root may read, has these lines, the variables put in:"
        for name, value in referring:
            yield f"#   {name}={_as_in_a_shell(value)}"
        yield f"EnvironmentFile=-{SYSTEMD_FILE}"


FORMATS: Final[dict[str, Callable[[Environment], Iterator[str]]]] = {
    "dotenv": _dotenv,
    "docker": _docker,
    "kubernetes": _kubernetes,
    "instrumentation": _instrumentation,
    "airflow": _airflow,
    "systemd": _systemd,
}
"""Name of a format -> the lines of an environment in it."""


def text(environment: Environment, form: str, typed: str = "") -> str:
    """Return the variables of an environment's jobs in one of `FORMATS`, `typed` as --env in the header."""
    command = f"batchtel config variables --env {typed or environment.name} --format {form}"
    head = f"# {environment.name}: environment variables for jobs. {command}"
    return "\n".join([head, *FORMATS[form](environment)]) + "\n"
