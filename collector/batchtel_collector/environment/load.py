"""From the files of an environment to the environment that they describe, or to everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from batchtel_collector.environment import document, layers
from batchtel_collector.environment.consistency import inconsistencies
from batchtel_collector.environment.document import Document, InvalidDocumentError, Problem
from batchtel_collector.environment.messages import message
from batchtel_collector.environment.model import Environment


class InvalidEnvironmentError(InvalidDocumentError):
    """An environment that cannot be used."""

    def __init__(self, name: str, problems: list[Problem]) -> None:
        super().__init__("environment", name, problems)


def load(name_or_path: str, overrides: Mapping[str, object] | None = None, role: str | None = None) -> Environment:
    """Read a shipped environment by name, or a file, for a role of it.

    Args:
        name_or_path: `production`, or `./production.yaml`.
        overrides: put over the file, nested like it.
        role: `standalone`, `agent` or `gateway`; None takes the file's own.

    Raises:
        InvalidEnvironmentError: with all problems at once.
        UnknownEnvironmentError: no environment of this name is shipped.
        UnreadableFileError: the file cannot be read.
    """
    path = layers.find(name_or_path)
    merged = layers.read(path)
    layers.settle(merged, role, overrides or {})
    return _validated(merged, layers.shown(path))


def parse(text: str, name: str, overrides: Mapping[str, object] | None = None, role: str | None = None) -> Environment:
    """Read the text of an environment file; `name` stands for the file in messages."""
    merged = layers.read(Path(), text, name)
    layers.settle(merged, role, overrides or {})
    return _validated(merged, name)


def read(name_or_path: str) -> tuple[Document, list[str]]:
    """Return an environment as written, base and file put together, and the roles that it is made for."""
    merged = layers.read(layers.find(name_or_path))
    return merged, layers.roles(merged)


def _validated(merged: Document, name: str) -> Environment:
    problems = list(merged.problems)
    if isinstance(merged.data, dict):
        known = {problem.path for problem in problems}
        try:
            environment = Environment.model_validate(merged.data)
        except ValidationError as error:
            # Without its base most of the file is missing, and the base is what to mend.
            details = [one for one in error.errors() if one["type"] != "missing" or ("base",) not in known]
            found = [_problem(detail, merged) for detail in details]
            problems += [problem for problem in found if problem.path not in known]
        else:
            problems += [Problem(text, path, merged.values.get(path)) for path, text in inconsistencies(environment)]
            if not problems:
                return environment
    elif not problems:
        expected = "must be keys and values, such as `cadence: 15s`"
        problems.append(Problem(expected, place=document.Place(1, 1, merged.file)))
    raise InvalidEnvironmentError(name, problems)


def _problem(detail: Any, merged: Document) -> Problem:
    path: tuple[str | int, ...] = detail["loc"]
    of_key = detail["type"] == "extra_forbidden" or path[-1:] == ("[key]",)
    path = path[:-1] if path[-1:] == ("[key]",) else path
    place = merged.keys.get(path) if of_key else merged.values.get(path)
    while place is None and path and detail["type"] == "missing":
        path = path[:-1]
        place = merged.values.get(path)
    return Problem(message(detail, Environment), detail["loc"], place)
