"""Query clients of the stores that a stack or an environment delivers to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from batchtel_collector.environment.destinations import OtlpStore, WebStore
from batchtel_collector.environment.model import Environment
from batchtel_collector.environment.values import REFERENCE
from batchtel_dashboards.stores import Access, Jaeger, Logs, Loki, Prometheus, Tempo, Traces, VictoriaLogs
from batchtel_stack.errors import WrongInputError
from batchtel_stack.ports import HOST, Ports

LOGS: Final[dict[str, type[Loki] | type[VictoriaLogs]]] = {"loki": Loki, "victorialogs": VictoriaLogs}
"""Key of an environment -> the client of such a store of logs."""

TRACES: Final[dict[str, type[Tempo] | type[Jaeger]]] = {"tempo": Tempo, "jaeger": Jaeger}
"""Key of an environment -> the client of such a store of traces."""


@dataclass(frozen=True)
class Stores:
    """One store of metrics, and all stores of logs and of traces."""

    prometheus: Prometheus
    logs: tuple[Logs, ...]
    traces: tuple[Traces, ...]

    @property
    def products(self) -> tuple[str, ...]:
        """The names of all stores, metrics first."""
        return tuple(self.urls)

    @property
    def urls(self) -> dict[str, str]:
        """Product -> base address of its query API."""
        stores: list[Prometheus | Logs | Traces] = [self.prometheus, *self.logs, *self.traces]
        return {store.product: store.url for store in stores}

    def elsewhere(self, urls: Mapping[str, str | None]) -> Stores:
        """Return the stores with other addresses: key of an environment -> address, or None for no change.

        A named store of logs, or of traces, replaces all stores of its signal.
        """
        prometheus, named = urls.get("prometheus"), {key: url for key, url in urls.items() if url is not None}
        return Stores(
            Prometheus(prometheus) if prometheus is not None else self.prometheus,
            tuple(client(named[key]) for key, client in LOGS.items() if key in named) or self.logs,
            tuple(client(named[key]) for key, client in TRACES.items() if key in named) or self.traces,
        )

    @classmethod
    def local(cls) -> Stores:
        """Return the stores of `batchtel stack up` with its own ports."""
        return cls(
            Prometheus(_loopback(Ports().prometheus)),
            (VictoriaLogs(_loopback(Ports().victorialogs)),),
            (Jaeger(_loopback(Ports().jaeger)),),
        )

    @classmethod
    def of(cls, environment: Environment) -> Stores:
        """Return the stores of an environment, with the credentials that it refers to.

        Raises:
            WrongInputError: A signal goes to no store that can be queried, a variable is not set, or a file cannot be
                read; all at once.
        """
        problems = [
            f"no store of {signal} can be queried; write {' or '.join(keys)}: {{endpoint: ...}}"
            for signal, keys in (("metrics", ("prometheus",)), ("logs", (*LOGS,)), ("traces", (*TRACES,)))
            if all(getattr(environment, key) is None for key in keys)
        ]
        accesses = {}
        for key in ("prometheus", *LOGS, *TRACES):
            store = getattr(environment, key)
            if store is not None:
                try:
                    accesses[key] = (store.query_url, _access(store, environment.tenant))
                except (OSError, KeyError) as error:
                    problems.append(_unreadable(key, error))
        if problems:
            raise WrongInputError(f"the environment {environment.name} cannot be queried:\n  " + "\n  ".join(problems))
        return cls(
            Prometheus(*accesses["prometheus"]),
            tuple(client(*accesses[key]) for key, client in LOGS.items() if key in accesses),
            tuple(client(*accesses[key]) for key, client in TRACES.items() if key in accesses),
        )


def _loopback(port: int) -> str:
    return f"http://{HOST}:{port}"


def _access(store: WebStore | OtlpStore, tenant: str | None) -> Access:
    headers = {name: _resolved(text) for name, text in (store.headers | store.tenant_headers(tenant)).items()}
    if store.token is not None:
        token = Path(store.token).read_text().strip() if store.token.startswith("/") else _resolved(store.token)
        headers["Authorization"] = f"Bearer {token}"
    files = (_resolved(file) if file is not None else None for file in (store.ca, store.certificate, store.key))
    return Access(headers, *files)


def _resolved(text: str) -> str:
    """Return text with the value of each `${env:NAME}`; KeyError names one that is not set."""
    return REFERENCE.sub(lambda found: os.environ.get(found["name"]) or _default(found["name"], found["default"]), text)


def _default(name: str, default: str | None) -> str:
    if default is None:
        raise KeyError(name)
    return default.removeprefix(":-")


def _unreadable(key: str, error: OSError | KeyError) -> str:
    if isinstance(error, KeyError):
        return f"{key} needs the variable {error.args[0]}; export {error.args[0]}=..."
    return f"{key}.token: {error.filename} cannot be read: {error.strerror}"
