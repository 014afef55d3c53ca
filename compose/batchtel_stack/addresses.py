"""Where the programs of a stack answer."""

from __future__ import annotations

from batchtel_stack.ports import HOST, Ports


class Addresses:
    """The addresses of a stack with these ports."""

    ports: Ports

    @property
    def prometheus(self) -> str:
        """Address of Prometheus, e.g. http://127.0.0.1:9090."""
        return f"http://{HOST}:{self.ports.prometheus}"

    @property
    def alertmanager(self) -> str:
        """Address of Alertmanager; its API is under /api/v2."""
        return f"http://{HOST}:{self.ports.alertmanager}"

    @property
    def victorialogs(self) -> str:
        """Address of VictoriaLogs."""
        return f"http://{HOST}:{self.ports.victorialogs}"

    @property
    def jaeger(self) -> str:
        """Address of Jaeger's queries."""
        return f"http://{HOST}:{self.ports.jaeger}"

    @property
    def ui(self) -> str:
        """Address of the pages for a browser."""
        return f"http://{HOST}:{self.ports.ui}"

    @property
    def otlp_http(self) -> str:
        """Address for OTEL_EXPORTER_OTLP_ENDPOINT with OTLP over HTTP."""
        return f"http://{HOST}:{self.ports.otlp_http}"

    @property
    def otlp_grpc(self) -> str:
        """Address for OTEL_EXPORTER_OTLP_ENDPOINT with OTLP over gRPC."""
        return f"http://{HOST}:{self.ports.otlp_grpc}"
