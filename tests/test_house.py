"""The house: who may import whom, how long a module may be, and which names are public."""

from __future__ import annotations

import ast
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import batchtel
import batchtel_collector
import batchtel_dashboards
import batchtel_stack

PACKAGES = {
    package.__name__: Path(package.__path__[0])
    for package in (batchtel, batchtel_collector, batchtel_dashboards, batchtel_stack)
}

MAY_IMPORT = {
    "batchtel": {"batchtel"},
    "batchtel_collector": {"batchtel", "batchtel_collector"},
    "batchtel_dashboards": {"batchtel", "batchtel_dashboards"},
    "batchtel_stack": {"batchtel", "batchtel_collector", "batchtel_dashboards", "batchtel_stack"},
}

OUTSIDE_OF_JOBS = {
    "command.py": "click",
    "run_command.py": "click",
    "catalogue_command.py": "click",
    "spool_command.py": "click",
    "fixture.py": "pytest",
    "plugin.py": "airflow",
    "listener.py": "pluggy",
    "pokes.py": "airflow",
    "database.py": "sqlalchemy",
}
"""Modules of the job side that no job imports, and what they are for: commands, tests of jobs, and Airflow."""

JOB_SIDE = {"opentelemetry", "grpc", "google", "requests"}
"""What a job process may import: OpenTelemetry, and what its exporters bring."""

LONGEST = 300
"""Lines of a module."""


def _modules(package: str) -> Iterator[tuple[Path, ast.Module]]:
    for file in sorted(PACKAGES[package].rglob("*.py")):
        yield file, ast.parse(file.read_text(encoding="utf-8"))


def _imported(tree: ast.Module) -> set[str]:
    """Return the top-level packages that the module imports anywhere, also within functions."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names.add((node.module or "").partition(".")[0])
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_one_way(package: str) -> None:
    """The stack imports dashboards and collector, all import the job side, and it imports none of them."""
    modules = list(_modules(package))
    assert modules
    wrong = {
        file.name: ours for file, tree in modules if (ours := (_imported(tree) & set(PACKAGES)) - MAY_IMPORT[package])
    }
    assert wrong == {}


def test_a_job_process_loads_little() -> None:
    """Modules of the job side import the standard library and OpenTelemetry only."""
    wrong = {}
    for file, tree in _modules("batchtel"):
        allowed = {"batchtel", *JOB_SIDE, *sys.stdlib_module_names, OUTSIDE_OF_JOBS.get(file.name, "batchtel")}
        if foreign := _imported(tree) - allowed:
            wrong[file.name] = foreign
    assert wrong == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_rooms_are_small(package: str) -> None:
    """No module is longer than 300 lines."""
    lengths = {file.name: len(file.read_text(encoding="utf-8").splitlines()) for file, _ in _modules(package)}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_public_names_are_what_is_there() -> None:
    """`__all__` is sorted, each name in it is imported where it is used, and none is the name of a submodule.

    A submodule of the same name would take the place of the function as soon as anybody imported it.
    """
    assert batchtel.__all__ == sorted(batchtel.__all__) == dir(batchtel)
    assert [name for name in batchtel.__all__ if getattr(batchtel, name, None) is None] == []
    assert {module.name for module in pkgutil.iter_modules(batchtel.__path__)} & set(batchtel.__all__) == set()
    with pytest.raises(AttributeError, match="module 'batchtel' has no attribute 'jbo'"):
        _ = batchtel.jbo


@pytest.mark.parametrize("package", PACKAGES)
def test_everything_public_is_explained(package: str) -> None:
    """Modules, and public classes and functions at their top, have a docstring that is a sentence."""
    silent = []
    for file, tree in _modules(package):
        nodes = [node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
        if file.read_text(encoding="utf-8").strip() and not ast.get_docstring(tree):
            silent.append(file.name)
        silent += [
            f"{file.name}:{node.name}"
            for node in nodes
            if not node.name.startswith("_") and not (ast.get_docstring(node) or "").strip()
        ]
    assert silent == []
