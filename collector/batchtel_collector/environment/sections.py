"""The groups of keys of an environment file, other than destinations."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from batchtel_collector.environment.durations_and_sizes import Duration, Size
from batchtel_collector.environment.section import Section
from batchtel_collector.environment.values import (
    Address,
    File,
    Folder,
    Image,
    LabelName,
    LabelValue,
    Listener,
    Variable,
    WebAddress,
)


class Listen(Section):
    """What the collector opens, as host:port."""

    otlp_grpc: Address = Field(examples=["127.0.0.1:4317"], description="where jobs send, OTLP over gRPC")
    otlp_http: Address = Field(examples=["127.0.0.1:4318"], description="where jobs send, OTLP over HTTP")
    health: Address = Field(examples=["127.0.0.1:13133"], description="answers 200 while the collector works")
    metrics: Listener = Field(examples=["127.0.0.1:8888"], description="the collector's own metrics, on loopback")
    scrape: Listener = Field(
        examples=["127.0.0.1:8889"],
        description="with aggregation: stock, the sums over all runs, on loopback",
    )
    statsd: Address | None = Field(
        default=None,
        examples=["127.0.0.1:8125"],
        description="where Airflow sends its own metrics, StatsD over UDP, without a password; null: it does not",
    )
    plaintext: bool = Field(
        default=False,
        examples=["false"],
        description="true: the OTLP listeners may be off loopback without TLS and token, on a network that only jobs "
        "are in, such as that of compose.yaml",
    )

    @model_validator(mode="after")
    def _each_port_once(self) -> Self:
        seen: dict[str, str] = {}
        for key in type(self).model_fields:
            address = getattr(self, key)
            port = address.rpartition(":")[2] if isinstance(address, str) else ""
            if port and port in seen:
                raise ValueError(f"{key} and {seen[port]} have the same port {port}; give each its own")
            seen[port] = key
        return self


class Tls(Section):
    """The certificate of the OTLP listeners, and the CA of the certificates of senders."""

    certificate: File = Field(examples=["/etc/batchtel/tls/tls.crt"], description="its certificate, PEM")
    key: File = Field(examples=["/etc/batchtel/tls/tls.key"], description="private key of the certificate, PEM")
    client_ca: File | None = Field(
        default=None, examples=["/etc/batchtel/ca/ca.crt"], description="senders need a certificate of this CA"
    )


class Queue(Section):
    """Where data is queued on disk until its destination accepts it."""

    folder: Folder = Field(examples=["/var/lib/batchtel/queue"], description="absolute folder of the queues")
    size: Size = Field(examples=["1GiB"], description="most bytes that wait for one destination")


class Retention(Section):
    """How long the stores of `batchtel stack up` keep what they have."""

    metrics: Duration = Field(examples=["35d"], description="Prometheus")
    detail: Duration = Field(examples=["90d"], description="VictoriaLogs and Jaeger")


class Expected(Section):
    """What `batchtel config check` compares with `series_limit`."""

    jobs: int | None = Field(
        default=None,
        ge=1,
        examples=["50"],
        description="jobs, or DAGs; null: those of `catalogue` if unknown_jobs is other",
    )
    steps: int = Field(default=5, ge=0, examples=["5"], description="steps of a job, or tasks of a DAG")


class JobVariables(Section):
    """The variables of jobs: `batchtel config variables` prints them."""

    endpoint: WebAddress = Field(
        examples=["http://127.0.0.1:4318"], description="where jobs reach this environment, OTLP over HTTP"
    )
    token: Variable | None = Field(
        default=None,
        examples=['"${env:BATCHTEL_TOKEN}"'],
        description="variable with the token that jobs send, encoded as in URLs",
    )
    ca: File | None = Field(
        default=None, examples=["/etc/batchtel/ca/ca.crt"], description="CA with which jobs verify the endpoint"
    )
    spool: Folder | None = Field(
        default=None, examples=["/var/spool/batchtel"], description="folder for what cannot be delivered at exit"
    )


class Images(Section):
    """The images that manifests name; each is the name of the registry that a cluster pulls from."""

    collector: Image | None = Field(
        default=None,
        examples=['"registry.example.com/batchtel-collector@sha256:DIGEST"'],
        description="image of the collector; null: batchtel-collector:VERSION, with stock the contrib image",
    )
    job: Image | None = Field(
        default=None,
        examples=['"registry.example.com/batchtel-job@sha256:DIGEST"'],
        description="image that checks the queue files before a collector in a pod starts; null: batchtel-job:VERSION",
    )


class MetricRule(Section):
    """The labels that are kept of one metric that is not on batchtel's table."""

    labels: list[LabelName] = Field(
        default=[], examples=["[region]"], description="the labels it keeps; all others are removed"
    )
    values: dict[LabelName, list[LabelValue]] = Field(
        default={}, examples=["{region: [eu, us]}"], description="per label the values it keeps; others become `other`"
    )
    drop: bool = Field(default=False, examples=["true"], description="true: the metric is dropped, and counted")


class Component(Section):
    """One more receiver or exporter of the collector."""

    signals: Annotated[list[Literal["metrics", "traces", "logs"]], Field(min_length=1)] = Field(
        examples=["[traces, logs]"], description="the pipelines that it joins"
    )
    settings: dict[str, Any] = Field(
        default={}, examples=['{endpoint: "127.0.0.1:9411"}'], description="its own settings, secrets as ${env:NAME}"
    )
