"""The OpenTelemetry resource of this process: what all that it records has in common."""

from __future__ import annotations

import concurrent.futures
import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

from opentelemetry.sdk import resources
from opentelemetry.sdk.resources import Resource

from batchtel.base.guard import warn_once


def detected(environ: Mapping[str, str]) -> Resource:
    """Return the resource as the SDK detects it, with the attributes that `environ` names."""
    return Resource.create(_described(environ))


@contextlib.contextmanager
def detectable() -> Iterator[None]:
    """Let resources be detected within, as the SDK does once when its logs are imported, whatever the environment has.

    The SDK calls its detectors in threads, which cannot be started once the main thread has ended: then here. And it
    logs an item of OTEL_RESOURCE_ATTRIBUTES that is not key=value, which may be a part of a secret.
    """
    logger, found = logging.getLogger(resources.__name__), vars(resources).get("concurrent")
    logger.addFilter(_is_shown)
    futures = SimpleNamespace(ThreadPoolExecutor=_Executor, TimeoutError=TimeoutError)
    vars(resources)["concurrent"] = SimpleNamespace(futures=futures)
    try:
        yield
    finally:
        vars(resources)["concurrent"] = found
        logger.removeFilter(_is_shown)


class _Executor:
    """Calls what is submitted in threads; here where none can be started."""

    def __init__(self, **given: Any) -> None:
        self._threads: Any = None
        with contextlib.suppress(RuntimeError):
            self._threads = concurrent.futures.ThreadPoolExecutor(**given)

    def __enter__(self) -> _Executor:
        return self

    def __exit__(self, *unused: object) -> None:
        self.shutdown()

    def submit(self, function: Callable[[], Any]) -> Any:
        with contextlib.suppress(RuntimeError):
            if self._threads is not None:
                return self._threads.submit(function)
        return SimpleNamespace(result=lambda timeout=None: function())

    def shutdown(self, **given: Any) -> None:
        if self._threads is not None:
            self._threads.shutdown(**given)


def _is_shown(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("Invalid key value resource attribute")


def _described(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the resource attributes that the variables name; a job may have changed them since the run began."""
    items = environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(",")
    pairs = [item.partition("=") for item in items if item.strip()]
    if any(not equals for _, equals, _ in pairs):
        # Without the item: it may be the rest of a secret that has a comma.
        warn_once("resource", "OTEL_RESOURCE_ATTRIBUTES has an item that is not key=value; it is left out")
    named = {key.strip(): unquote(value.strip()) for key, equals, value in pairs if equals and key.strip()}
    if name := environ.get("OTEL_SERVICE_NAME"):
        named["service.name"] = name
    return named
