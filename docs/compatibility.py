"""The table of docs/compatibility.md, from the tests that carry `pytest.mark.compatible(area, what, recorded)`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parent.parent / "tests"

AREAS = ("Processes", "Ends", "Places", "Libraries", "Airflow")
"""The tables, in their order."""


INTRODUCTION = """\
Made by `make generate` from the tests that hold it. `.ci/run` runs them on every change: on Python 3.11, 3.12 and 3.13
where a row depends on it. That a job notices nothing means the same exit code, stdout and stderr as without batchtel.
`make test-shapes` runs a hundred more processes, each with batchtel and without. A seed puts them together from ways to
start, to fork, to log, to hook and to end; `make test` runs a sample of them.
"""


class Row(NamedTuple):
    """What one test holds: in which area, of what, what is recorded, what the job notices, and where the test is."""

    area: str
    what: str
    recorded: str
    notices: str
    test: str


def rows() -> list[Row]:
    """Return the rows of all tests, by file and place.

    Raises:
        ValueError: A mark names no area of `AREAS`, or holds something else than text.
    """
    return [row for file in sorted(TESTS.rglob("test_*.py")) for row in _of_file(file)]


def _of_file(file: Path) -> Iterator[Row]:
    for function in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef):
            marks = [call for decorator in function.decorator_list for call in _marks(decorator)]
            for mark in marks:
                texts = [ast.literal_eval(argument) for argument in mark.args]
                named = {keyword.arg: ast.literal_eval(keyword.value) for keyword in mark.keywords}
                if len(texts) != 3 or texts[0] not in AREAS or named.keys() - {"notices"}:
                    raise ValueError(f"{file}:{mark.lineno}: compatible(area, what, recorded), area one of {AREAS}")
                test = f"{file.relative_to(TESTS.parent)}::{function.name}"
                yield Row(*texts, named.get("notices", "nothing"), test)


def _marks(decorator: ast.expr) -> Iterator[ast.Call]:
    """Yield the marks in a decorator, those of parameters included."""
    for node in ast.walk(decorator):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.compatible":
            yield node


def page() -> Iterator[str]:
    """Yield the lines of the page."""
    yield "# Compatibility\n"
    yield INTRODUCTION
    found = rows()
    for area in AREAS:
        yield f"## {area}\n"
        yield "| what | what is recorded | what the job notices | test |"
        yield "| --- | --- | --- | --- |"
        for row in sorted((row for row in found if row.area == area), key=lambda row: row.what.lower()):
            test = row.test.removeprefix("tests/")
            yield f"| {row.what} | {row.recorded} | {row.notices} | `{test}` |"
        yield ""
