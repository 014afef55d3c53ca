"""The package metadata that OpenTelemetry reads of itself, where the disk that has it is faked, as pyfakefs does.

Modules are found there all the same, but older versions of the SDK look up their context, without which nothing of it
can be imported, their resource detector and their version in the metadata of packages.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator
from typing import Any, Final

_ENTRY_POINTS: Final = {
    ("opentelemetry_context", "contextvars_context"): (
        "opentelemetry.context.contextvars_context:ContextVarsRuntimeContext"
    ),
    ("opentelemetry_resource_detector", "otel"): "opentelemetry.sdk.resources:OTELResourceDetector",
}


@contextlib.contextmanager
def without_disk() -> Iterator[None]:
    """Let imports within find this metadata where the disk does not have it; do nothing where the disk is real."""
    if os.path.isfile(__file__):
        yield
        return
    lookup: Any = importlib.import_module("opentelemetry.util._importlib_metadata")
    found, read_version = lookup.entry_points, lookup.version

    def entry_points(**wanted: str) -> Any:
        listed = found(**wanted)
        value = _ENTRY_POINTS.get((wanted.get("group", ""), wanted.get("name", "")))
        if listed or value is None:
            return listed
        return [lookup.EntryPoint(wanted["name"], value, wanted["group"])]

    def version(name: str) -> str:
        try:
            return str(read_version(name))
        except lookup.PackageNotFoundError:
            return str(importlib.import_module(name.replace("-", ".") + ".version").__version__)

    lookup.entry_points, lookup.version = entry_points, version
    try:
        yield
    finally:
        lookup.entry_points, lookup.version = found, read_version
        # The disk that is there afterwards has others.
        lookup._original_entry_points_cached.cache_clear()
