"""The table of settings: every option of the job side, and the one function that reads them.

OpenTelemetry's own variables are the configuration; batchtel adds only what the specification has no variable for. The
exporters read certificates, headers and compression themselves: those rows are documentation with `read_by` set.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from batchtel.schema.setting_values import EXPECTED, LEVELS, SettingType, convert


class Setting(NamedTuple):
    """One option: its variables in order of precedence, type, default as written in the variable, and meaning."""

    variables: tuple[str, ...]
    type: SettingType
    default: str
    description: str
    read_by: Literal["batchtel", "opentelemetry"] = "batchtel"


SETTINGS: Final = {
    "traces_endpoint": Setting(
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        "string",
        "",
        "Where spans go, `http://host:port`; the variable of one signal is, over HTTP, the whole URL. With no endpoint "
        "set at all nothing is recorded, and one warning is logged.",
    ),
    "metrics_endpoint": Setting(
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"), "string", "", "The same for metrics."
    ),
    "logs_endpoint": Setting(
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"), "string", "", "The same for log records."
    ),
    "traces_protocol": Setting(
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"),
        "string",
        "",
        "`grpc` or `http/protobuf`. Unset: port 4317 means gRPC, anything else HTTP.",
    ),
    "metrics_protocol": Setting(
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"), "string", "", "The same for metrics."
    ),
    "logs_protocol": Setting(
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"), "string", "", "The same for log records."
    ),
    "traces_exporter": Setting(
        ("OTEL_TRACES_EXPORTER",),
        "string",
        "",
        "`none` sends no spans; unset or `otlp` sends them. `otlp_proto_grpc` and `otlp_proto_http` also set the "
        "protocol. For any other exporter one warning is logged; batchtel sends OTLP all the same.",
    ),
    "metrics_exporter": Setting(("OTEL_METRICS_EXPORTER",), "string", "", "The same for metrics."),
    "logs_exporter": Setting(
        ("OTEL_LOGS_EXPORTER",),
        "string",
        "",
        "The same for log records. opentelemetry-distro, if it is there, sends to the same collector (`otlp`, its "
        "default) only those that batchtel does not.",
    ),
    "disabled": Setting(("OTEL_SDK_DISABLED",), "boolean", "false", "`true` turns batchtel off, silently."),
    "exit_timeout": Setting(
        ("BATCHTEL_EXIT_TIMEOUT",),
        "seconds",
        "2",
        "Longest wait for the collector at exit; the smaller of it and OTEL_EXPORTER_OTLP_TIMEOUT counts.",
    ),
    "export_timeout": Setting(
        ("OTEL_EXPORTER_OTLP_TIMEOUT",),
        "seconds",
        "10",
        "Longest time for one export. Python reads seconds here; the specification has milliseconds.",
    ),
    "spool_folder": Setting(
        ("BATCHTEL_SPOOL_DIR",),
        "string",
        "",
        "Folder for what cannot be delivered at exit, one OTLP request a file, as protobuf; the next run with the same "
        "folder sends it, or `batchtel spool send`. Unset: it is lost.",
    ),
    "spool_limit": Setting(
        ("BATCHTEL_SPOOL_SIZE",), "size", "64MiB", "Size of the spool; beyond it the oldest files are dropped."
    ),
    "metric_interval": Setting(
        ("OTEL_METRIC_EXPORT_INTERVAL",), "milliseconds", "15000", "Time between two metric exports of a running job."
    ),
    "span_delay": Setting(
        ("OTEL_BSP_SCHEDULE_DELAY",), "milliseconds", "1000", "Longest time that an ended span waits."
    ),
    "log_delay": Setting(
        ("OTEL_BLRP_SCHEDULE_DELAY",), "milliseconds", "1000", "Longest time that a log record waits."
    ),
    "log_level": Setting(
        ("BATCHTEL_LOG_LEVEL",),
        "level",
        "INFO",
        "Lowest level of the log records that are sent with their run, a name or a number of `logging`.",
    ),
    "job": Setting(
        ("BATCHTEL_JOB",),
        "string",
        "",
        "Job of a program or command that does not name it. Unset: OTEL_SERVICE_NAME, else the CronJob of the pod, "
        "else the program.",
    ),
    "run_id": Setting(
        ("BATCHTEL_RUN_ID",), "string", "", "Id of the run, for schedulers that have one. Unset: a UUIDv7 is made."
    ),
    "scheduled_at": Setting(
        ("BATCHTEL_SCHEDULED_AT",), "string", "", "When the run was due: ISO 8601, or Unix time in seconds."
    ),
    "queued_at": Setting(("BATCHTEL_QUEUED_AT",), "string", "", "When the run began to wait for its start."),
    "job_type": Setting(("BATCHTEL_JOB_TYPE",), "string", "batch", "Kind of the jobs that do not name theirs."),
    "attempt": Setting(("BATCHTEL_ATTEMPT",), "integer", "1", "Number of this attempt, for schedulers that retry."),
    "catalogue": Setting(
        ("BATCHTEL_CATALOGUE",),
        "string",
        "",
        "File with what is expected of each job, `jobs.toml`; `batchtel jobs init` writes one to begin with.",
    ),
    "redact": Setting(
        ("BATCHTEL_REDACT",),
        "pattern",
        "",
        "A regular expression of your own: what its first group matches, or all it matches where it has none, is "
        "redacted beside passwords, tokens and keys. If it is not a regular expression every text of spans and log "
        "records is withheld, and one warning names it.",
    ),
    "airflow_disabled": Setting(
        ("BATCHTEL_AIRFLOW_DISABLED",),
        "boolean",
        "false",
        "`true` leaves Airflow without batchtel's listener: the plugin is there and does nothing.",
    ),
    "service_name": Setting(
        ("OTEL_SERVICE_NAME",), "string", "unknown_service:python", "service.name of all signals.", "opentelemetry"
    ),
    "log_handler": Setting(
        ("OTEL_PYTHON_LOG_AUTO_INSTRUMENTATION",),
        "boolean",
        "",
        "Whether `opentelemetry-instrument` puts a handler on the root logger. Unset, batchtel leaves it out "
        "where it has nowhere to send to, because a handler there silences logging.basicConfig.",
        "opentelemetry",
    ),
    "resource_attributes": Setting(
        ("OTEL_RESOURCE_ATTRIBUTES",),
        "pairs",
        "",
        "Resource attributes. service.namespace and deployment.environment.name become labels, the rest stays on spans "
        "and log records.",
        read_by="opentelemetry",
    ),
    "headers": Setting(
        ("OTEL_EXPORTER_OTLP_HEADERS",),
        "pairs",
        "",
        "Headers of every export, for example credentials.",
        "opentelemetry",
    ),
    "certificate": Setting(
        ("OTEL_EXPORTER_OTLP_CERTIFICATE",), "string", "", "File with the collector's CA certificate.", "opentelemetry"
    ),
    "client_certificate": Setting(
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",), "string", "", "File with the client's certificate.", "opentelemetry"
    ),
    "client_key": Setting(
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY",), "string", "", "File with the client's private key.", "opentelemetry"
    ),
    "compression": Setting(
        ("OTEL_EXPORTER_OTLP_COMPRESSION",), "string", "none", "`none`, `gzip` or `deflate`.", read_by="opentelemetry"
    ),
}
"""Every option of the job side, by its name in code."""


class Settings(NamedTuple):
    """The settings of one process, with durations in seconds.

    `sources` has the variable that each setting was read from, by its name; `problems` names the values that are wrong;
    `environment` has what else the way to the collector depends on, as it was then.
    """

    traces_endpoint: str
    metrics_endpoint: str
    logs_endpoint: str
    traces_protocol: str
    metrics_protocol: str
    logs_protocol: str
    traces_exporter: str
    metrics_exporter: str
    logs_exporter: str
    disabled: bool
    exit_timeout: float
    export_timeout: float
    spool_folder: str
    spool_limit: int
    metric_interval: float
    span_delay: float
    log_delay: float
    log_level: str
    job: str
    run_id: str
    scheduled_at: str
    queued_at: str
    job_type: str
    attempt: int
    catalogue: str
    redact: str
    airflow_disabled: bool
    sources: Mapping[str, str]
    problems: tuple[str, ...] = ()
    environment: Mapping[str, str] = os.environ

    def exporters(self, signal: str) -> list[str]:
        """Return the exporters that are named for traces, metrics or logs; none if that is left open."""
        named: str = getattr(self, f"{signal}_exporter")
        return [name.strip().lower() for name in named.split(",") if name.strip()]

    @property
    def wanted(self) -> list[str]:
        """The signals that no variable switches off."""
        return [signal for signal in ("traces", "metrics", "logs") if "none" not in self.exporters(signal)]

    @property
    def has_endpoint(self) -> bool:
        """Whether any signal that is wanted has somewhere to go."""
        return any(getattr(self, f"{signal}_endpoint") for signal in self.wanted)

    @property
    def lowest_level(self) -> int:
        """Level of `logging` from which on log records are sent."""
        return LEVELS[self.log_level] if self.log_level in LEVELS else int(self.log_level)

    @property
    def deadline(self) -> float:
        """Seconds that the last flush of a process may last."""
        return min(self.exit_timeout, self.export_timeout)


def read(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings from `environ`; a value of the wrong type is replaced by the default and named in `problems`.

    An empty variable counts as unset, as the specification asks
    (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#parsing-empty-value).
    """
    problems: list[str] = []
    values: dict[str, object] = {}
    sources: dict[str, str] = {}
    for name, setting in SETTINGS.items():
        if setting.read_by != "batchtel":
            continue
        values[name] = convert(setting.type, setting.default)
        for variable in setting.variables:
            text = environ.get(variable, "").strip()
            if not text:
                continue
            sources[name] = variable
            try:
                values[name] = convert(setting.type, text)
            except ValueError:
                used = f"{setting.default} is used instead"
                if setting.type == "pattern":
                    # What it was to hide may be anywhere, so the reader has to see that there was one.
                    values[name], used = text, "until it is one, every text of spans and log records is withheld"
                problems.append(f"{variable}={text!r} is not {EXPECTED[setting.type]}; {used}")
            break
    kept = {name: value for name, value in environ.items() if _is_of_a_connection(name)}
    return Settings(**values, sources=sources, problems=tuple(problems), environment=kept)  # type: ignore[arg-type]  # the table has exactly these names


def _is_of_a_connection(variable: str) -> bool:
    """Whether the way to a collector may depend on an environment variable."""
    own = variable.startswith(("OTEL_", "BATCHTEL_")) or variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    return own or variable.lower().endswith("_proxy")
