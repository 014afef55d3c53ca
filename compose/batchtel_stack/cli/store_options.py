"""The options by which a command finds the stores that it queries."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

import click

from batchtel.cli.main import Failure
from batchtel.redact.addresses import shown
from batchtel_collector.environment.load import load
from batchtel_dashboards.engines import ENGINES, EXACT, Engine
from batchtel_stack.failures import as_failures
from batchtel_stack.stores import Stores

_F = TypeVar("_F", bound=Callable[..., Any])

_SIGNALS: Final = {
    "Prometheus": "metrics",
    "VictoriaLogs": "log records",
    "Loki": "log records",
    "Jaeger": "spans",
    "Tempo": "spans",
}


@dataclass(frozen=True)
class Place:
    """The stores that a command queries, and how counts are read there."""

    stores: Stores
    engine: Engine


def of_stores(function: _F) -> _F:
    """Add `--env` and an address for each product to a command, which gets `place`, a Place, instead.

    The stores are those of `batchtel stack up` unless the options name others.
    """

    @functools.wraps(function)
    def called(environment: str | None, **given: Any) -> Any:
        urls = {product.lower(): given.pop(product.lower()) for product in _SIGNALS}
        with as_failures():
            settings = load(environment) if environment is not None else None
            stores = Stores.of(settings) if settings is not None else Stores.local()
        engine = ENGINES[settings.aggregation] if settings is not None else EXACT
        return function(place=Place(stores.elsewhere(urls), engine), **given)

    command: Any = called
    for product, signal in reversed(_SIGNALS.items()):
        text = f"Look for {signal} in {product}, which answers there."
        command = click.option(f"--{product.lower()}", metavar="URL", callback=_web_address, help=text)(command)
    text = "Ask the stores of this environment."
    return cast("_F", click.option("--env", "environment", metavar="NAME|FILE", help=text)(command))


def _web_address(_: click.Context, option: click.Parameter, url: str | None) -> str | None:
    if url is not None and not url.startswith(("http://", "https://")):
        raise Failure(
            f"--{option.name} {shown(url)}: an address begins with http:// or https://; write http://host:port", 2
        )
    return url
