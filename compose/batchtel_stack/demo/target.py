"""Where the demo's jobs send, and the stores that are queried afterwards."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from batchtel_dashboards import rules
from batchtel_dashboards.engines import EXACT, STOCK, Engine
from batchtel_dashboards.stores import Prometheus
from batchtel_stack.errors import RulesMissingError
from batchtel_stack.programs import Options, configured
from batchtel_stack.stack import Stack
from batchtel_stack.stores import Stores

SERVICE: Final = "batchtel-demo"
"""`service.name` of all jobs on a stack of the demo's own."""


@dataclass(frozen=True)
class Target:
    """A collector, and the stores that it delivers to.

    Attributes:
        endpoint: where jobs send, OTLP over HTTP.
        stores: the stores that are compared with the ledger.
        service: `service.name` of all jobs; no other data in the stores has it.
        export_interval: seconds between two writes to Prometheus, or two evaluations of its rules if that is longer.
        engine: how its counts are read.
        shared: whether other programs write to the stores, too.
    """

    endpoint: str
    stores: Stores
    service: str
    export_interval: float
    engine: Engine = EXACT
    shared: bool = False

    @classmethod
    def own(cls, stack: Stack, export_interval: float) -> Target:
        """Return a stack that only the demo uses."""
        return cls(stack.otlp_http, stack.stores, SERVICE, export_interval, stack.engine)

    @classmethod
    def of(cls, stack: Stack, service: str) -> Target:
        """Return the stores of a stack's environment, which other programs use, too.

        Raises:
            RulesMissingError: Prometheus does not evaluate batchtel's recording rules, which `stock` needs.
            StoreError: It does not answer.
        """
        stores, export_interval = stack.stores, stack.export_interval
        if stack.engine is STOCK:
            export_interval = max(export_interval, *_evaluated(stores.prometheus))
        return cls(stack.otlp_http, stores, service, export_interval, stack.engine, shared=True)


def _evaluated(prometheus: Prometheus) -> list[float]:
    """Return the seconds between two evaluations of each recording rule."""
    intervals = prometheus.rules()
    missing = sorted(rules.names() - set(intervals))
    if missing:
        raise RulesMissingError(
            f"Prometheus at {prometheus.shown} does not evaluate {len(missing)} of batchtel's recording rules, such as "
            f"{missing[0]}, by which counts are read. Add {rules.path()} to its rule_files, reload it, and call "
            "the same command again"
        )
    return [intervals[name] for name in rules.names()]


def unique_service() -> str:
    """Return a new `service.name`, so that queries of shared stores return this demo only.

    Of letters: the collector replaces a number of 8 digits by `*`, which one of 43 hexadecimal texts of that length is.
    """
    return f"{SERVICE}-{''.join(secrets.choice(string.ascii_lowercase) for _ in range(8))}"


def overrides(service: str) -> dict[str, object]:
    """Return the settings of a collector of the demo's own, whatever the environment has.

    It listens on loopback only and belongs to no tier; its shard is its own, so that its series meet no others.
    """
    return {
        "role": "standalone",
        "tls": None,
        "token": None,
        "instance": service,
        "unknown_jobs": "keep",
        "listen": {"statsd": None},
    }


def require_askable(name_or_path: str) -> None:
    """Return if the stores of an environment can be queried.

    Raises:
        InvalidEnvironmentError: It is wrong.
        WrongInputError: A signal of it goes to no store that can be queried.
    """
    options = Options(Path.cwd(), environment=name_or_path, overrides=overrides(SERVICE), only_collector=True)
    Stores.of(configured(options))
