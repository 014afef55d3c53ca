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

LAYERS = {
    "schema": set[str](),
    "base": {"schema"},
    "redact": {"base"},
    "catalogue": {"base", "schema"},
    "export": {"redact", "base", "schema"},
    "telemetry": {"export", "redact", "base", "schema"},
    "runs": {"telemetry", "catalogue", "export", "base", "schema"},
    "cli": {"runs", "telemetry", "catalogue", "export", "redact", "base", "schema"},
    "auto": {"runs", "telemetry", "base"},
    "testing": {"telemetry", "export", "schema"},
    "airflow": {"runs", "telemetry", "export", "base", "schema"},
}
"""Sub-packages of the job side, the lowest first, each with those that it may import, also lazily or for its types."""

EVERYWHERE = {"version"}
"""Modules beside the sub-packages that each of them may import."""

OUTSIDE_OF_JOBS = {
    "cli/main.py": "click",
    "cli/run.py": "click",
    "cli/catalogue.py": "click",
    "cli/spool.py": "click",
    "testing/fixture.py": "pytest",
    "airflow/plugin.py": "airflow",
    "airflow/listener.py": "pluggy",
    "airflow/pokes.py": "airflow",
    "airflow/database.py": "sqlalchemy",
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


def _parts(tree: ast.Module) -> set[str]:
    """Return the sub-packages and modules right below `batchtel` that a module imports anywhere."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("batchtel.")}


def test_layers_of_the_job_side_go_one_way() -> None:
    """Each sub-package imports those below it that LAYERS names, and all of them; each module stands in one."""
    imported: dict[str, set[str]] = {layer: set() for layer in LAYERS}
    for file, tree in _modules("batchtel"):
        place = file.relative_to(PACKAGES["batchtel"])
        if len(place.parts) == 1:
            assert place.stem in {"__init__", *EVERYWHERE}
        else:
            imported[place.parts[0]] |= _parts(tree) - {place.parts[0]} - EVERYWHERE
    assert imported == LAYERS
    order = list(LAYERS)
    assert all(order.index(below) < order.index(layer) for layer in order for below in LAYERS[layer])


def test_a_job_process_loads_little() -> None:
    """Modules of the job side import the standard library and OpenTelemetry only."""
    wrong = {}
    for file, tree in _modules("batchtel"):
        place = str(file.relative_to(PACKAGES["batchtel"]))
        allowed = {"batchtel", *JOB_SIDE, *sys.stdlib_module_names, OUTSIDE_OF_JOBS.get(place, "batchtel")}
        if foreign := _imported(tree) - allowed:
            wrong[place] = foreign
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
