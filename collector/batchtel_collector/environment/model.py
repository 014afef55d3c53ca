"""One environment: everything about a collector that differs between a laptop and a cluster."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from batchtel_collector.environment.destinations import (
    Destination,
    Gateways,
    Jaeger,
    Loki,
    Prometheus,
    Tempo,
    Vendor,
    VictoriaLogs,
)
from batchtel_collector.environment.durations_and_sizes import Duration, Size
from batchtel_collector.environment.section import Section
from batchtel_collector.environment.sections import (
    Component,
    Expected,
    Listen,
    MetricRule,
    Queue,
    Retention,
    Sender,
    Tls,
)
from batchtel_collector.environment.values import File, LabelName, LabelValue, MetricName, Name, Secret, Shard


class Environment(Section):
    """A whole environment, all layers put together."""

    name: Name = Field(examples=["local"], description="its name, deployment.environment.name of what its jobs send")
    role: Literal["standalone", "agent", "gateway"] = Field(
        examples=["standalone"],
        description="standalone: receives, adds up and delivers; agent: receives, queues and forwards to gateways; "
        "gateway: adds up and delivers what agents send",
    )
    listen: Listen = Field(
        examples=['{otlp_grpc: "127.0.0.1:4317", ...}'], description="what the collector opens, as host:port"
    )
    tls: Tls | None = Field(
        default=None,
        examples=["{certificate: /etc/batchtel/tls/tls.crt, key: /etc/batchtel/tls/tls.key}"],
        description="certificate of the OTLP listeners; null: they speak plaintext, and listen on loopback only",
    )
    token: Secret | None = Field(
        default=None,
        examples=['"${env:BATCHTEL_TOKEN}"'],
        description="bearer token that senders have to show: a variable, or the path of a file; null: none",
    )
    gateways: Gateways | None = Field(
        default=None, examples=['{endpoints: ["gateway-0:4317"]}'], description="where an agent sends"
    )
    prometheus: Prometheus | None = Field(
        default=None, examples=['{endpoint: "http://127.0.0.1:9090/api/v1/write"}'], description="where metrics go"
    )
    loki: Loki | None = Field(
        default=None, examples=['{endpoint: "http://127.0.0.1:3100/otlp"}'], description="where log records go: Loki"
    )
    victorialogs: VictoriaLogs | None = Field(
        default=None,
        examples=['{endpoint: "http://127.0.0.1:9428/insert/opentelemetry"}'],
        description="where log records go: VictoriaLogs",
    )
    tempo: Tempo | None = Field(
        default=None, examples=['{endpoint: "127.0.0.1:4327"}'], description="where spans go: Tempo"
    )
    jaeger: Jaeger | None = Field(
        default=None, examples=['{endpoint: "127.0.0.1:4327"}'], description="where spans go: Jaeger"
    )
    vendor: Vendor | None = Field(
        default=None,
        examples=['{endpoint: "https://otlp.example.com"}'],
        description="where all three signals go, beside the stores or instead of them",
    )
    tenant: LabelValue | None = Field(
        default=None,
        examples=["batch"],
        description="X-Scope-OrgID of Prometheus, Loki and Tempo, x-tenant of Jaeger; null: none is sent",
    )
    cadence: Duration = Field(examples=["15s"], description="how often every series is written, changed or not")
    expiry: Duration = Field(examples=["35d"], description="how long a series lives without a new run")
    series_limit: int = Field(
        ge=1, examples=[50000], description="most counter and histogram series; further ones are dropped and counted"
    )
    job_types: list[LabelValue] = Field(
        examples=["[batch, etl]"], description="kinds of jobs that metrics tell apart; others become `other`"
    )
    unknown_jobs: Literal["keep", "other"] = Field(
        examples=["keep"], description="other: job names outside `jobs` become `other` in metrics"
    )
    jobs: list[LabelValue] = Field(examples=["[]"], description="names of the jobs that are known")
    job_labels: dict[Literal["owner", "team", "tag"], list[LabelValue]] = Field(
        default={},
        examples=["{team: [sales, risk]}"],
        description="labels of batchtel's own metrics that tell whose job it is, each with its values; others become "
        "`other`",
    )
    labels: list[LabelName] = Field(
        default=[], examples=["[region]"], description="labels that metrics of your own may have beside batchtel's"
    )
    metrics: dict[MetricName, MetricRule] = Field(
        default={}, examples=["{shop.orders: {labels: [region]}}"], description="rules per metric of your own"
    )
    shard: Shard = Field(
        examples=["standalone-0"], description="label `instance` of every series; two collectors need two values"
    )
    queue: Queue = Field(
        examples=['{folder: "/var/lib/batchtel/queue", size: 1GiB}'],
        description="where data waits on disk while its destination is away",
    )
    memory_limit: Size = Field(examples=["1GiB"], description="memory at which senders are told to try again later")
    retention: Retention = Field(
        examples=["{metrics: 35d, detail: 90d}"],
        description="how long the stores of `batchtel stack up` keep what they have",
    )
    expected: Expected = Field(
        default=Expected(),
        examples=["{jobs: 50, steps: 200, airflow: true}"],
        description="what `batchtel config check` compares with series_limit",
    )
    sender: Sender = Field(
        examples=['{endpoint: "http://127.0.0.1:4318"}'],
        description="what jobs are told, by `batchtel config variables`",
    )
    receivers: dict[str, Component] = Field(
        default={},
        examples=["{jaeger: {signals: [traces]}}"],
        description="more receivers of the collector, by component name",
    )
    exporters: dict[str, Component] = Field(
        default={},
        examples=["{debug: {signals: [traces]}}"],
        description="more exporters of the collector, by component name",
    )
    extras: File | None = Field(
        default=None, examples=["./extras.yaml"], description="file merged over the rendered configuration, last"
    )

    @property
    def destinations(self) -> dict[str, Destination]:
        """Where this role sends, by key: an agent has its gateways, all others have stores and vendor."""
        keys = ("gateways", "prometheus", "vendor") if self.role == "agent" else _STORES
        return {key: destination for key in keys if (destination := getattr(self, key)) is not None}

    def storing(self, signal: str) -> dict[str, Destination]:
        """Return the destinations of this role that store a signal: metrics, logs or traces."""
        return {key: destination for key, destination in self.destinations.items() if signal in destination.signals}


_STORES = ("prometheus", "loki", "victorialogs", "tempo", "jaeger", "vendor")
