"""Where a collector sends: the stores, a vendor, the gateways; and what each of them wants to see first."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from batchtel_collector.section import Section
from batchtel_collector.values import Address, File, HeaderValue, Secret, WebAddress, is_loopback


class Destination(Section):
    """What all of them have in common: credentials by reference, and the certificates of TLS."""

    headers: dict[str, HeaderValue] = Field(
        default={}, examples=['{X-Scope-OrgID: "batch"}'], description="headers of every request, secrets by reference"
    )
    token: Secret | None = Field(
        default=None, examples=['"${env:TOKEN}"'], description="bearer token: a variable, or the path of a file"
    )
    ca: File | None = Field(
        default=None, examples=["/etc/batchtel/tls/ca.crt"], description="CA of its certificate; null: the system's"
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

    @property
    def addresses(self) -> list[str]:
        """The addresses that are sent to, as the file gives them."""
        address: Any = getattr(self, "endpoint", None) or getattr(self, "endpoints", [])
        return [address] if isinstance(address, str) else list(address)

    @property
    def encrypted(self) -> bool:
        """Whether TLS is spoken: as the scheme says; with host:port whenever a CA is given or it leaves the machine."""
        if any("://" in address for address in self.addresses):
            return all(address.startswith("https://") for address in self.addresses)
        on_this_machine = self.ca is None and all(is_loopback(address) for address in self.addresses)
        return not (self.plaintext or on_this_machine)


class Prometheus(Destination):
    """Where metrics go."""

    endpoint: WebAddress = Field(
        examples=["http://127.0.0.1:9090/api/v1/write"], description="its remote-write address"
    )


class Loki(Destination):
    """Where log records go."""

    endpoint: WebAddress = Field(examples=["http://127.0.0.1:3100/otlp"], description="its OTLP address")


class Tempo(Destination):
    """Where spans go."""

    endpoint: Address = Field(examples=["127.0.0.1:4327"], description="host:port of its OTLP gRPC receiver")


class Vendor(Destination):
    """Any service that takes OTLP over HTTP, for all three signals."""

    endpoint: WebAddress = Field(
        examples=["https://otlp.example.com"], description="OTLP address, without /v1/traces and the like"
    )


class Gateways(Destination):
    """Where an agent sends: each job's metrics to one gateway, chosen by a hash of the job's name."""

    endpoints: Annotated[list[Address], Field(min_length=1)] = Field(
        examples=['["gateway-0:4317", "gateway-1:4317"]'],
        description="host:port of each gateway, in an order that stays: add new ones at the end",
    )
    draining: list[Address] = Field(
        default=[],
        examples=['["gateway-1:4317"]'],
        description="gateways taken off the end of `endpoints`, which get what waits for them and nothing new",
    )

    @property
    def addresses(self) -> list[str]:
        """The gateways that take new data, then those that only get what waits."""
        return [*self.endpoints, *self.draining]
