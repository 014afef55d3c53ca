"""Credentials that a package of the user's makes, by an entry point that a variable names.

https://opentelemetry-python.readthedocs.io/en/latest/exporter/otlp/otlp.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from batchtel.export.endpoint import Endpoint

_GROUP: Final = "opentelemetry_otlp_credential_provider"
_PREFIX: Final = "OTEL_PYTHON_EXPORTER_OTLP_"
_SUFFIX: Final = "CREDENTIAL_PROVIDER"


def provided(endpoint: Endpoint) -> Any:
    """Return what the provider for `endpoint` makes, a `requests.Session` or `grpc.ChannelCredentials`; None if none.

    Raises:
        RuntimeError: There is no such entry point.
    """
    name = _name(endpoint.is_grpc, endpoint.signal, endpoint.environ)
    if not name:
        return None
    from importlib.metadata import entry_points

    for point in entry_points(group=_GROUP, name=name):
        return point.load()()
    raise RuntimeError(f"the credential provider {name!r} is no entry point of {_GROUP}; install its package")


def _name(is_grpc: bool, signal: str, environ: Mapping[str, str]) -> str:
    protocol = "GRPC" if is_grpc else "HTTP"
    every, own = f"{_PREFIX}{protocol}_{_SUFFIX}", f"{_PREFIX}{protocol}_{signal.upper()}_{_SUFFIX}"
    return environ.get(every) or environ.get(own) or ""
