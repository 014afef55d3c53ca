"""Private names of OpenTelemetry: the table has all that the package uses, and the installed version has them."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import SynchronousMultiSpanProcessor, TracerProvider

import batchtel
from batchtel.base.sdk_internals import INTERNALS, Internal

PACKAGE = Path(batchtel.__path__[0])

OTHERS = {
    # The standard library.
    "_asdict",
    "_clear_internal_caches",
    "_clear_type_cache",
    "_config",
    "_DummyThread",
    "_exception",
    "_exit",
    "_fork_exec",
    "_getframe",
    "_inheriting",
    "_parent_pid",
    "_posixsubprocess",
    "_replace",
    # PySpark and py4j.
    "_active_spark_context",
    "_gateway",
    "_gateway_client",
    "_jo",
    "_jsc",
    "_on",
    "_result",
    # SQLAlchemy and Airflow.
    "_sa_instance_state",
    "_terminal_state_send_failed",
    "_ti_context_from_server",
}
"""Private names of others than OpenTelemetry, by which a new one is noticed."""

PRIVATE = re.compile(r"_[A-Za-z]\w*")
MODULE = re.compile(r"(?:opentelemetry|grpc|http)(?:\.\w+)*\._\w+[\w.]*(?::\w+)?")


def _is_private(name: str) -> bool:
    return PRIVATE.fullmatch(name) is not None


def _of_text(text: str) -> Iterator[str]:
    """Yield the private names of a module's name, also of one that is only text."""
    if MODULE.fullmatch(text):
        yield from filter(_is_private, text.partition(":")[0].split("."))


def _defined(tree: ast.AST) -> Iterator[str]:
    """Yield the private names that a module gives itself and its objects."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                yield name


def _used(tree: ast.AST) -> Iterator[str]:
    """Yield the private names that a module imports, reads or writes of other objects than `self` and `cls`."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                pass
            case ast.Attribute(attr=name):
                yield name
            case ast.Call(
                func=ast.Name(id="getattr" | "hasattr" | "setattr"), args=[_, ast.Constant(value=str(name)), *_]
            ):
                yield name
            case ast.ImportFrom(module=str(module), names=names) if module.startswith("opentelemetry"):
                yield from module.split(".")
                yield from (alias.name for alias in names)
            case ast.Import(names=names):
                yield from (part for alias in names for part in alias.name.split("."))
            case ast.Constant(value=str(text)):
                yield from _of_text(text)


def _overrides(module: str) -> Iterator[str]:
    """Yield the private names of classes of OpenTelemetry that the classes of a module define, too."""
    for found in vars(importlib.import_module(module)).values():
        if isinstance(found, type) and found.__module__ == module:
            theirs = [base for base in found.__mro__ if base.__module__.startswith("opentelemetry.")]
            yield from (name for name in vars(found) if any(name in vars(base) for base in theirs))


def test_the_table_has_all_that_the_package_uses() -> None:
    """A private name that neither the package defines nor the table has is a new dependency, to be given a reason."""
    trees = {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): ast.parse(path.read_text())
        for path in PACKAGE.rglob("*.py")
    }
    listed = {row.name for row in INTERNALS}
    own = {name for tree in trees.values() for name in _defined(tree)} - listed
    used = {
        (module, name)
        for module, tree in trees.items()
        for name in _used(tree)
        if _is_private(name) and name not in own | OTHERS
    }
    # A definition in a class of ours that the SDK calls.
    used |= {("telemetry.metrics", name) for name in _overrides("batchtel.telemetry.metrics") if name in listed}
    assert used - {("base.sdk_internals", name) for name in listed} == {
        (module, row.name) for row in INTERNALS for module in row.used_in
    }


def test_classes_of_the_package_hide_nothing_private_of_the_sdk() -> None:
    """An attribute of ours with the name of a private one of the class above it would change what the SDK does."""
    listed = {row.name for row in INTERNALS}
    modules = ("telemetry.job_record", "telemetry.logs", "telemetry.metrics", "telemetry.spans")
    hidden = {name for module in modules for name in _overrides(f"batchtel.{module}") if _is_private(name)}
    assert hidden - listed - {"_abc_impl"} == set()


OBJECTS: dict[str, Callable[[], Any]] = {
    "opentelemetry.sdk.trace:TracerProvider": lambda: TracerProvider(shutdown_on_exit=False),
    "opentelemetry.sdk.trace:SynchronousMultiSpanProcessor": SynchronousMultiSpanProcessor,
    "opentelemetry.exporter.otlp.proto.grpc.trace_exporter:OTLPSpanExporter": lambda: OTLPSpanExporter(
        endpoint="http://127.0.0.1:1", insecure=True
    ),
}
"""What makes an object of a class whose private names belong to objects."""


@pytest.mark.parametrize("row", INTERNALS, ids=lambda row: f"{row.owner}.{row.name}")
def test_the_installed_version_has_each(row: Internal) -> None:
    """It is there under this name, whichever version of OpenTelemetry this is."""
    module, _, name = row.owner.partition(":")
    owner = importlib.import_module(module)
    if name:
        owner = OBJECTS[row.owner]() if row.owner in OBJECTS else getattr(owner, name)
    elif not hasattr(owner, row.name):
        importlib.import_module(f"{module}.{row.name}")
    try:
        assert hasattr(owner, row.name), f"{row.owner} has no {row.name}, on which rests: {row.reason}"
    finally:
        getattr(owner, "shutdown", lambda: None)() if row.owner in OBJECTS else None
