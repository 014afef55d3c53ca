"""The connection to the collector of one signal: the settings of the stock exporters, read once from the environment.

They read it when they are built, which is after the job has begun. A job that clears or changes its environment
meanwhile would lose its telemetry, or send it elsewhere.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from batchtel.base import pristine
from batchtel.base.guard import warn_once

_COMPRESSIONS: Final = ("none", "gzip", "deflate")
_BUNDLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PROVIDER: Final = "_CREDENTIAL_PROVIDER"


class Connection(NamedTuple):
    """The settings of one signal's requests; text is empty where a variable is not set.

    `url` is the whole address over HTTP. `headers` is as the variable has it. `proxies` has the address of the proxy
    by scheme, and under `no` the hosts that need none. `bundles` are files
    that requests and curl read. `has_provider` is whether an entry point makes credentials.
    """

    url: str
    headers: str
    certificate: str
    client_key: str
    client_certificate: str
    compression: str
    is_insecure: bool
    bundles: Mapping[str, str]
    proxies: Mapping[str, str]
    has_provider: bool
    headers_variable: str = "OTEL_EXPORTER_OTLP_HEADERS"
    """The variable that has the headers."""

    @classmethod
    def of(cls, signal: str, url: str, environ: Mapping[str, str]) -> Connection:
        """Read how `signal` gets to `url`: its own variables, else those of all signals."""
        read = partial(_read, signal, environ)
        compression = read("COMPRESSION").lower() or "none"
        if compression not in _COMPRESSIONS:
            warn_once(
                "compression",
                "OTEL_EXPORTER_OTLP_COMPRESSION=%.60s is not one of none, gzip, deflate; none is used instead",
                compression,
            )
            compression = "none"
        insecure, scheme = read("INSECURE").lower(), urlsplit(url).scheme
        own_headers = f"OTEL_EXPORTER_OTLP_{signal.upper()}_HEADERS"
        whole = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "").strip() == url
        return cls(
            url if whole else f"{url.removesuffix('/')}/v1/{signal}",
            read("HEADERS"),
            read("CERTIFICATE"),
            read("CLIENT_KEY"),
            read("CLIENT_CERTIFICATE"),
            compression,
            scheme != "https" and (insecure == "true" if insecure else True),
            {name: environ[name] for name in _BUNDLES if environ.get(name)},
            _proxies(environ),
            any(variable.endswith(_PROVIDER) and value for variable, value in environ.items()),
            own_headers if environ.get(own_headers, "").strip() else "OTEL_EXPORTER_OTLP_HEADERS",
        )

    @property
    def header_pairs(self) -> dict[str, str]:
        """The headers by their names, in lower case."""
        return _pairs(self.headers, self.headers_variable)

    def credentials(self) -> Any:
        """Read the certificates for gRPC.

        Raises:
            OSError: A file cannot be read.
        """
        import grpc  # type: ignore[import-untyped]

        return grpc.ssl_channel_credentials(
            *map(_content, (self.certificate, self.client_key, self.client_certificate))
        )


def _read(signal: str, environ: Mapping[str, str], name: str) -> str:
    """Return the value of the signal's own variable, else that of all signals."""
    own = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}", "").strip()
    return own or environ.get(f"OTEL_EXPORTER_OTLP_{name}", "").strip()


def _pairs(headers: str, variable: str) -> dict[str, str]:
    """Parse `headers`; of an item that is none the warning names the variable only, for it may be a secret."""
    if not headers:
        return {}
    from opentelemetry.util.re import parse_env_headers

    wrong: list[logging.LogRecord] = []

    def keep(record: logging.LogRecord) -> bool:
        wrong.append(record)
        return False

    logger = logging.getLogger(parse_env_headers.__module__)
    logger.addFilter(keep)
    try:
        pairs = dict(parse_env_headers(headers, liberal=True))
    finally:
        logger.removeFilter(keep)
    if wrong:
        warn_once(f"headers:{variable}", "%s has an item that is not name=value; it is left out", variable)
    return pairs


def _content(path: str) -> bytes | None:
    if not path:
        return None
    with pristine.open(path, "rb") as file:
        return file.read()


def _proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the proxies by scheme; a variable in lower case wins, as everywhere."""
    found = {}
    for lower in (False, True):
        for variable, value in environ.items():
            if variable.lower().endswith("_proxy") and (variable == variable.lower()) is lower and value:
                found[variable.lower().removesuffix("_proxy")] = value
    return found
