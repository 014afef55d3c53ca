"""The logging handler of opentelemetry-instrumentation-logging, without the rest of its package.

The package imports its instrumentor, and with it wrapt, asyncio and packaging: a fifth of the CPU of a short job, for
nothing that the handler uses.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.instrumentation.logging.handler import LoggingHandler

_NAME = "opentelemetry.instrumentation.logging.handler"


def _load() -> ModuleType:
    if _NAME in sys.modules:
        return sys.modules[_NAME]
    package = importlib.util.find_spec("opentelemetry.instrumentation")
    for folder in (package.submodule_search_locations or []) if package is not None else []:
        spec = importlib.util.spec_from_file_location("batchtel._stock_handler", Path(folder, "logging", "handler.py"))
        if spec is not None and spec.loader is not None and Path(folder, "logging", "handler.py").is_file():
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    return importlib.import_module(_NAME)


if not TYPE_CHECKING:
    LoggingHandler = _load().LoggingHandler

__all__ = ["LoggingHandler"]
