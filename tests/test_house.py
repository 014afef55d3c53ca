"""The structure of the code: who may import whom, how long a module may be, and which names are public."""

from __future__ import annotations

import ast
import pkgutil
import re
import sys
from collections.abc import Collection, Iterator
from graphlib import TopologicalSorter
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
    "batchtel": (
        *("schema", "base", "redact", "catalogue", "export", "telemetry", "runs"),
        *("cli", "auto", "testing", "airflow", "spark"),
    ),
    "batchtel_collector": ("environment", "render", "check", "cli"),
}
"""Package -> its sub-packages, lowest first: each imports itself and those before it, never one behind it.

A module that lies beside them is above them all, unless it is named in BELOW_ALL. CONTRIBUTING.md has the same table.
"""

BELOW_ALL = {"batchtel.version"}
"""Modules beside sub-packages that each of them may import."""

OUTSIDE_OF_JOBS = {
    "cli/main.py": "click",
    "cli/run.py": "click",
    "cli/groups.py": "click",
    "cli/jobs.py": "click",
    "cli/parameters.py": "click",
    "cli/usage.py": "click",
    "cli/spool.py": "click",
    "testing/fixture.py": "pytest",
    "airflow/plugin.py": "airflow",
    "airflow/listener.py": "pluggy",
    "airflow/task_row.py": "airflow",
    "airflow/open_runs.py": "sqlalchemy",
    "spark/observations.py": "pyspark",
    "spark/queries.py": "pyspark",
    "spark/status.py": "py4j",
    "spark/instrumentor.py": "wrapt",
}
"""Modules of the job side that no job imports, and what they are for: commands, tests of jobs, Airflow, Spark."""

JOB_SIDE = {"opentelemetry", "grpc", "google", "urllib3", "certifi"}
"""What a job process may import: OpenTelemetry, and what its exporters bring."""

TESTS = Path(__file__).parent

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


def _names(package: str) -> dict[Path, str]:
    """Return the full name of each module of a package, by its file."""
    folder = PACKAGES[package]
    files = (file.relative_to(folder.parent) for file in folder.rglob("*.py"))
    return {folder.parent / file: ".".join(file.with_suffix("").parts).removesuffix(".__init__") for file in files}


def _imported_modules(tree: ast.AST, modules: Collection[str]) -> set[str]:
    """Return which of `modules` the code imports anywhere: in functions and for types only, too."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (parts & set(modules)) or {str(node.module)}
    return found & set(modules)


def _imports(package: str) -> dict[str, set[str]]:
    """Return the modules of a package, and for each those of the same package that it imports."""
    names = _names(package)
    return {names[file]: _imported_modules(tree, names.values()) for file, tree in _modules(package)}


def _level(module: str) -> int:
    """Return how high a module is in its package, -1 for what all may import."""
    package, *inner = module.split(".")
    order = LAYERS[package]
    if not inner or module in BELOW_ALL:
        return -1
    return order.index(inner[0]) if inner[0] in order else len(order)


@pytest.mark.parametrize("package", LAYERS)
def test_sub_packages_import_one_way(package: str) -> None:
    """No module imports from a higher sub-package, not even in a function or for a type."""
    imports = _imports(package)
    assert {module.split(".")[1] for module in imports if "." in module} >= set(LAYERS[package])
    wrong = {
        module: higher
        for module, imported in imports.items()
        # A package itself, where it is not empty, shows what its highest modules have.
        if module != package and (higher := {one for one in imported if _level(one) > _level(module)})
    }
    assert wrong == {}


@pytest.mark.parametrize("package", [package for package in PACKAGES if package != "batchtel" or package in LAYERS])
def test_no_modules_import_each_other(package: str) -> None:
    """The modules of a package can be put into an order in which each one imports earlier ones only."""
    imports = _imports(package)
    graph = {module: imported - {module} for module, imported in imports.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(graph)


@pytest.mark.parametrize("package", PACKAGES)
def test_only_commands_import_the_command_line(package: str) -> None:
    """All other modules raise errors of their own; a module of commands gives them an exit code."""
    wrong = {
        name
        for (file, tree), name in zip(_modules(package), _names_in_order(package), strict=True)
        if not _is_of_commands(file) and _imports_command_line(tree)
    }
    assert wrong == set()


def _names_in_order(package: str) -> list[str]:
    names = _names(package)
    return [names[file] for file, _ in _modules(package)]


def _is_of_commands(file: Path) -> bool:
    return file.parent.name == "cli" or file.stem in {"commands", "failures"}


def _imports_command_line(tree: ast.Module) -> bool:
    """Return whether the code imports click or batchtel's error of the command line."""
    return "click" in _imported(tree) or any(
        node.module == "batchtel.cli.main" and "Failure" in {alias.name for alias in node.names}
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    )


def test_layers_are_those_of_the_guide() -> None:
    """CONTRIBUTING.md has the table of sub-packages as it is held here."""
    text = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(batchtel\w*)` \| (.+) \|$", text, re.MULTILINE)
    assert {package: tuple(re.findall(r"`(\w+)`", order)) for package, order in rows} == LAYERS


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
        place = str(file.relative_to(PACKAGES["batchtel"]))
        allowed = {"batchtel", *JOB_SIDE, *sys.stdlib_module_names, OUTSIDE_OF_JOBS.get(place, "batchtel")}
        if foreign := _imported(tree) - allowed:
            wrong[place] = foreign
    assert wrong == {}


def test_errors_of_the_command_line_are_made_by_commands() -> None:
    """On the collector side only `cli` imports click; everything else raises errors of its own, which `cli` maps."""
    commands = PACKAGES["batchtel_collector"] / "cli"
    foreign = {"click", "batchtel.cli.main"}
    wrong = {
        file.name: found
        for file, tree in _modules("batchtel_collector")
        if file.parent != commands and (found := _imported_modules(tree, foreign))
    }
    assert wrong == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_rooms_are_small(package: str) -> None:
    """No module is longer than 300 lines."""
    lengths = {file.name: len(file.read_text(encoding="utf-8").splitlines()) for file, _ in _modules(package)}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_public_names_are_what_is_there() -> None:
    """`__all__` is sorted, each name in it is imported where it is used, and none is the name of a submodule.

    A submodule of the same name would replace the function as soon as anybody imported it.
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


def test_a_suite_imports_itself_and_the_support() -> None:
    """A folder of tests imports from tests.support and itself only, and tests.support from no suite."""
    wrong = []
    for file in sorted(TESTS.rglob("*.py")):
        suite = file.relative_to(TESTS).parts[0]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                whole = node.module == "tests"
                modules = [f"tests.{alias.name}" for alias in node.names] if whole else [node.module]
            others = [name.split(".") for name in modules if name.startswith("tests.")]
            wrong += [f"{file.relative_to(TESTS)}: {'.'.join(o)}" for o in others if o[1] not in (suite, "support")]
    assert wrong == []
