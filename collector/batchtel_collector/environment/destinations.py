"""Where a collector sends: the stores, a vendor, the gateways; and the credentials of each."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

from pydantic import Field

from batchtel_collector.environment.section import Section
from batchtel_collector.environment.values import (
    Address,
    File,
    HeaderName,
    HeaderValue,
    Secret,
    WebAddress,
    is_loopback,
)

TENANT: Final = "X-Scope-OrgID"
"""Header by which Mimir, Loki and Tempo distinguish tenants."""

STREAM_FIELDS: Final = ("service.name", "service.namespace", "deployment.environment.name", "batch.job.name")
"""What log streams are distinguished by: all of it is bounded. A run id among them would be a stream for each run."""


class Destination(Section):
    """What all of them have in common: credentials by reference, and the certificates of TLS."""

    headers: dict[HeaderName, HeaderValue] = Field(
        default={}, examples=['{X-Scope-OrgID: "batch"}'], description="headers of every request, secrets by reference"
    )
    token: Secret | None = Field(
        default=None, examples=['"${env:TOKEN}"'], description="bearer token: a variable, or the path of a file"
    )
    ca: File | None = Field(
        default=None, examples=["/etc/batchtel/ca/ca.crt"], description="CA of its certificate; null: the system's"
    )
    certificate: File | None = Field(
        default=None, examples=["/etc/batchtel/tls/tls.crt"], description="certificate to show it, for mutual TLS"
    )
    key: File | None = Field(
        default=None, examples=["/etc/batchtel/tls/tls.key"], description="private key of `certificate`"
    )
    plaintext: bool = Field(
        default=False, examples=["false"], description="true: send without TLS also to another machine"
    )

    signals: ClassVar[tuple[str, ...]] = ()
    """The signals that it stores: metrics, logs, traces."""

    def tenant_headers(self, tenant: str | None) -> dict[str, str]:
        """Return the headers of every request, for writing and for queries, that name the environment's tenant."""
        return {}

    def write_headers(self, tenant: str | None) -> dict[str, str]:
        """Return all headers of a request that delivers something: the file's own, and those of the product."""
        return self.headers | self.tenant_headers(tenant)

    @property
    def addresses(self) -> list[str]:
        """The addresses that are sent to, as the file gives them."""
        address: Any = getattr(self, "endpoint", None) or getattr(self, "endpoints", [])
        return [address] if isinstance(address, str) else list(address)

    @property
    def encrypted(self) -> bool:
        """Whether requests use TLS: by the scheme; with host:port if a CA is given or the host is another machine."""
        if any("://" in address for address in self.addresses):
            return all(address.startswith("https://") for address in self.addresses)
        on_this_machine = self.ca is None and all(is_loopback(address) for address in self.addresses)
        return not (self.plaintext or on_this_machine)


class Store(Destination):
    """A destination that answers queries, too."""

    query: WebAddress | None = Field(
        default=None,
        examples=["http://127.0.0.1:3200"],
        description="where it answers queries, for `batchtel demo --env`; null: where `endpoint` points to",
    )


class WebStore(Store):
    """A store whose queries have the address of its writes, up to a path of its own."""

    write_path: ClassVar[str]
    """What `endpoint` ends with, and `query` does not."""

    @property
    def query_url(self) -> str:
        """Base address of its query API."""
        return self.query or self.addresses[0].rstrip("/").removesuffix(self.write_path)

    def tenant_headers(self, tenant: str | None) -> dict[str, str]:
        """Return X-Scope-OrgID."""
        return {TENANT: tenant} if tenant else {}


class OtlpStore(Store):
    """A store of spans, whose queries have a port of their own."""

    endpoint: Address = Field(examples=["127.0.0.1:4327"], description="host:port of its OTLP gRPC receiver")

    signals: ClassVar[tuple[str, ...]] = ("traces",)
    query_port: ClassVar[int]
    """Where it answers queries unless it is configured otherwise."""

    @property
    def query_url(self) -> str:
        """Base address of its query API."""
        host = self.endpoint.rpartition(":")[0]
        return self.query or f"{'https' if self.encrypted else 'http'}://{host}:{self.query_port}"


class Prometheus(WebStore):
    """Where metrics go: Prometheus, Mimir, Thanos or VictoriaMetrics."""

    endpoint: WebAddress = Field(
        examples=["http://127.0.0.1:9090/api/v1/write"], description="its remote-write address"
    )

    signals: ClassVar[tuple[str, ...]] = ("metrics",)
    write_path: ClassVar[str] = "/api/v1/write"


class Loki(WebStore):
    """Where log records go."""

    endpoint: WebAddress = Field(examples=["http://127.0.0.1:3100/otlp"], description="its OTLP address")

    signals: ClassVar[tuple[str, ...]] = ("logs",)
    write_path: ClassVar[str] = "/otlp"


class VictoriaLogs(WebStore):
    """Where log records go."""

    endpoint: WebAddress = Field(
        examples=["http://127.0.0.1:9428/insert/opentelemetry"], description="its OTLP address"
    )
    account: int = Field(default=0, ge=0, lt=2**32, examples=["0"], description="AccountID of its tenant")
    project: int = Field(default=0, ge=0, lt=2**32, examples=["0"], description="ProjectID of its tenant")

    signals: ClassVar[tuple[str, ...]] = ("logs",)
    write_path: ClassVar[str] = "/insert/opentelemetry"

    def tenant_headers(self, tenant: str | None) -> dict[str, str]:
        """Return AccountID and ProjectID, which are numbers here; the environment's `tenant` is not read."""
        named = self.account or self.project
        return {"AccountID": str(self.account), "ProjectID": str(self.project)} if named else {}

    def write_headers(self, tenant: str | None) -> dict[str, str]:
        """Return VL-Stream-Fields besides: without it every attribute of the resource, run ids too, makes streams."""
        return {"VL-Stream-Fields": ",".join(STREAM_FIELDS)} | super().write_headers(tenant)


class Tempo(OtlpStore):
    """Where spans go."""

    query_port: ClassVar[int] = 3200

    def tenant_headers(self, tenant: str | None) -> dict[str, str]:
        """Return X-Scope-OrgID."""
        return {TENANT: tenant} if tenant else {}


class Jaeger(OtlpStore):
    """Where spans go."""

    query_port: ClassVar[int] = 16686

    def tenant_headers(self, tenant: str | None) -> dict[str, str]:
        """Return x-tenant, the header that Jaeger reads by default where its multi-tenancy is enabled."""
        return {"x-tenant": tenant} if tenant else {}


class Vendor(Destination):
    """Any service that receives OTLP over HTTP, for all three signals."""

    endpoint: WebAddress = Field(
        examples=["https://otlp.example.com"], description="OTLP address, without /v1/traces and the like"
    )

    signals: ClassVar[tuple[str, ...]] = ("metrics", "logs", "traces")


class Gateways(Destination):
    """Where an agent sends: each job's metrics to one gateway, chosen by a hash of the job's name."""

    endpoints: Annotated[list[Address], Field(min_length=1)] = Field(
        examples=['["gateway-0:4317", "gateway-1:4317"]'],
        description="host:port of each gateway, in an order that stays: add new ones at the end",
    )
    draining: list[Address] = Field(
        default=[],
        examples=['["gateway-1:4317"]'],
        description="gateways moved here from the end of `endpoints`; they get only the data that is queued for them",
    )

    @property
    def addresses(self) -> list[str]:
        """The gateways that receive new data, then those that only receive queued data."""
        return [*self.endpoints, *self.draining]
