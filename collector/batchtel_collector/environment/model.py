"""The model of an environment: the settings of a collector that differ between a laptop and a cluster."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from batchtel_collector.environment.catalogue import Catalogue, CatalogueFile
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
    Images,
    JobVariables,
    Listen,
    MetricRule,
    Queue,
    Retention,
    Tls,
)
from batchtel_collector.environment.values import File, Instance, LabelName, LabelValue, MetricName, Name, Secret


class Environment(Section):
    """A whole environment, all layers put together."""

    name: Name = Field(examples=["local"], description="its name, deployment.environment.name of what its jobs send")
    role: Literal["standalone", "agent", "gateway"] = Field(
        examples=["standalone"],
        description="standalone: receives, aggregates and delivers; agent: receives, queues and forwards to gateways; "
        "gateway: aggregates and delivers what agents send",
    )
    listen: Listen = Field(
        examples=['{otlp_grpc: "127.0.0.1:4317", ...}'], description="what the collector opens, as host:port"
    )
    tls: Tls | None = Field(
        default=None,
        examples=["{certificate: /etc/batchtel/tls/tls.crt, key: /etc/batchtel/tls/tls.key}"],
        description="certificate of the OTLP listeners; null: plaintext, on loopback only",
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
    aggregation: Literal["exact", "stock"] = Field(
        default="exact",
        examples=["exact"],
        description="exact: run_rollup, in batchtel's collector, adds each point once and keeps totals on disk; "
        "stock: components of the contrib image, with the limits of docs/aggregation.md",
    )
    export_interval: Duration = Field(examples=["15s"], description="how often every series is written, changed or not")
    expiry: Duration = Field(examples=["35d"], description="time without a new run after which a series expires")
    series_limit: int = Field(
        ge=1,
        examples=[50000],
        description="most series; points of further ones go to an overflow series, with stock they are dropped",
    )
    job_types: list[LabelValue] = Field(
        examples=["[batch, etl]"], description="kinds of jobs that metrics distinguish; others become `other`"
    )
    unknown_jobs: Literal["keep", "other"] = Field(
        examples=["keep"], description="other: job names outside `catalogue` become `other` in metrics"
    )
    catalogue: CatalogueFile | None = Field(
        default=None,
        examples=["./jobs.toml"],
        description="job catalogue, relative to this file: names of jobs, and values of the labels `owner` and `team`",
    )
    airflow_metrics: bool = Field(
        default=False,
        examples=["true"],
        description="true: Airflow's own metrics are kept, as af_agg_*; false: they are dropped, and counted",
    )
    tags: list[LabelValue] = Field(
        default=[],
        examples=["[nightly, pii]"],
        description="values of the label `tag`, of Airflow DAGs; others become `other`",
    )
    labels: list[LabelName] = Field(
        default=[], examples=["[region]"], description="labels that metrics of your own may have beside batchtel's"
    )
    metrics: dict[MetricName, MetricRule] = Field(
        default={}, examples=["{shop.orders: {labels: [region]}}"], description="rules per metric of your own"
    )
    instance: Instance = Field(
        examples=["standalone-0"], description="label `instance` of every series; two collectors need two values"
    )
    queue: Queue = Field(
        examples=['{folder: "/var/lib/batchtel/queue", size: 1GiB}'],
        description="where data is queued on disk while its destination is unavailable",
    )
    memory_limit: Size = Field(
        examples=["1GiB"], description="memory above which the collector rejects data, for senders to retry"
    )
    retention: Retention = Field(
        examples=["{metrics: 35d, detail: 90d}"],
        description="how long the stores of `batchtel stack up` keep what they have",
    )
    expected: Expected = Field(
        default=Expected(),
        examples=["{jobs: 50, steps: 200}"],
        description="what `batchtel config check` compares with series_limit",
    )
    jobs: JobVariables = Field(
        examples=['{endpoint: "http://127.0.0.1:4318"}'],
        description="variables of jobs, printed by `batchtel config variables`",
    )
    images: Images = Field(
        default=Images(),
        examples=['{collector: "registry.example.com/batchtel-collector:0.1.0"}'],
        description="images that the manifests of Kubernetes, Helm and Compose name",
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
    overrides: File | None = Field(
        default=None, examples=["./overrides.yaml"], description="file merged over the rendered configuration, last"
    )

    @property
    def job_names(self) -> list[str]:
        """The names of jobs that metrics keep where `unknown_jobs` is other."""
        return list((self.catalogue or Catalogue()).jobs)

    @property
    def job_labels(self) -> dict[str, list[str]]:
        """Labels of batchtel's own metrics that describe whose job it is, each with its values; none without values."""
        contained = self.catalogue or Catalogue()
        found = {"owner": list(contained.owners), "team": list(contained.teams), "tag": self.tags}
        return {label: values for label, values in found.items() if values}

    @property
    def limit_of_metric(self) -> int:
        """The most series of one metric with `exact`: half of the limit, so that the others have places, too."""
        return (self.series_limit + 1) // 2

    @property
    def writer_streams(self) -> int:
        """The most streams of senders that `exact` remembers: a fifth of `memory_limit`, of 0.1 KiB each at most.

        A delta that is packed needs 30 bytes, a total (cumulative) more, and Go's heap has as much again.
        """
        return self.memory_limit // 512

    @property
    def destinations(self) -> dict[str, Destination]:
        """Where this role sends, by key: an agent has its gateways, all others have stores and vendor."""
        keys = ("gateways", "prometheus", "vendor") if self.role == "agent" else _STORES
        return {key: destination for key in keys if (destination := getattr(self, key)) is not None}

    def storing(self, signal: str) -> dict[str, Destination]:
        """Return the destinations of this role that store a signal: metrics, logs or traces."""
        return {key: destination for key, destination in self.destinations.items() if signal in destination.signals}


_STORES = ("prometheus", "loki", "victorialogs", "tempo", "jaeger", "vendor")
