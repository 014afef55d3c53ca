"""Reading and validation of the files of an environment."""

from __future__ import annotations

import copy
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from batchtel_collector.environment import catalogue, document, layers
from batchtel_collector.environment.consistency import inconsistencies
from batchtel_collector.environment.document import Document, InvalidDocumentError, Problem
from batchtel_collector.environment.messages import message
from batchtel_collector.environment.model import Environment


class InvalidEnvironmentError(InvalidDocumentError):
    """An environment that cannot be used."""

    def __init__(self, name: str, problems: list[Problem]) -> None:
        super().__init__("environment", name, problems)


@dataclass(frozen=True)
class EnvironmentFile:
    """An environment as it is written, file and base put together; the role is still to be chosen.

    Attributes:
        name: the shipped name or the path, as it was given.
        shown: its name in messages.
        text: the text of the file itself.
        document: file and base as one document, in which `roles` is still a key.
    """

    name: str
    shown: str
    text: str = field(repr=False, compare=False)
    document: Document = field(repr=False, compare=False)

    @property
    def roles(self) -> list[str]:
        """The roles that it is made for."""
        return layers.roles(self.document)

    @property
    def title(self) -> str:
        """Its key `name`; what was given if there is none."""
        data = self.document.data
        return str(data.get("name", self.name)) if isinstance(data, dict) else self.name

    @property
    def typed(self) -> str:
        """What to write behind `--env` in the folder of the file; empty for what is no file, such as a pipe."""
        path = layers.find(self.name)
        return self.name if path.parent == layers.SHIPPED else shlex.quote(f"./{path.name}") if path.is_file() else ""

    def settled(self, role: str | None = None, overrides: Mapping[str, object] | None = None) -> Document:
        """Return the document of one role, its own if it is None, with the overrides put over it."""
        settled = copy.deepcopy(self.document)
        layers.settle(settled, role, overrides or {})
        return settled

    def environment(self, role: str | None = None, overrides: Mapping[str, object] | None = None) -> Environment:
        """Return the environment in one role.

        Raises:
            InvalidEnvironmentError: with all problems at once.
        """
        return _validated(self.settled(role, overrides), self.shown)


def read(name_or_path: str) -> EnvironmentFile:
    """Read a shipped environment by name, or a file, and its base. What is wrong in them is in the document.

    Raises:
        UnknownEnvironmentError: no environment of this name is shipped.
        UnreadableFileError: the file cannot be read.
    """
    path = layers.find(name_or_path)
    text = layers.text(path)
    return EnvironmentFile(name_or_path, layers.shown(path), text, layers.read(path, text))


def load(name_or_path: str, overrides: Mapping[str, object] | None = None, role: str | None = None) -> Environment:
    """Read a shipped environment by name, or a file, for a role of it.

    Args:
        name_or_path: `production`, or `./production.yaml`.
        overrides: put over the file, nested like it.
        role: `standalone`, `agent` or `gateway`; None is the file's own.

    Raises:
        InvalidEnvironmentError: with all problems at once.
        UnknownEnvironmentError: no environment of this name is shipped.
        UnreadableFileError: the file cannot be read.
    """
    return read(name_or_path).environment(role, overrides)


def parse(text: str, name: str, overrides: Mapping[str, object] | None = None, role: str | None = None) -> Environment:
    """Read the text of an environment file; `name` stands for the file in messages."""
    file = EnvironmentFile(name, name, text, layers.read(Path(), text, name))
    return file.environment(role, overrides)


def _validated(merged: Document, name: str) -> Environment:
    problems = list(merged.problems)
    if isinstance(merged.data, dict):
        data = _with_catalogue(merged, problems)
        reported = {problem.path for problem in problems}
        try:
            environment = Environment.model_validate(data)
        except ValidationError as error:
            # Without its base most keys are missing, and the base is what to correct.
            details = [one for one in error.errors() if one["type"] != "missing" or ("base",) not in reported]
            found = [_problem(detail, merged) for detail in details]
            problems += [problem for problem in found if problem.path not in reported]
        else:
            problems += [Problem(text, path, merged.values.get(path)) for path, text in inconsistencies(environment)]
            if not problems:
                return environment
    elif not problems:
        expected = "must be keys and values, such as `export_interval: 15s`"
        problems.append(Problem(expected, place=document.Place(1, 1, merged.file)))
    raise InvalidEnvironmentError(name, problems)


def _with_catalogue(merged: Document, problems: list[Problem]) -> dict[str, object]:
    """Return the data with the contents of the catalogue in place of its path; what is wrong is added to `problems`."""
    assert isinstance(merged.data, dict)
    path = merged.data.get("catalogue")
    if not isinstance(path, str):
        return merged.data
    contained, wrong = catalogue.read(Path(path), merged.values.get(("catalogue",)))
    problems += wrong
    return {**merged.data, "catalogue": contained}


def _problem(detail: Any, merged: Document) -> Problem:
    path: tuple[str | int, ...] = detail["loc"]
    of_key = detail["type"] == "extra_forbidden" or path[-1:] == ("[key]",)
    path = path[:-1] if path[-1:] == ("[key]",) else path
    place = merged.keys.get(path) if of_key else merged.values.get(path)
    while place is None and path and detail["type"] == "missing":
        path = path[:-1]
        place = merged.values.get(path)
    return Problem(message(detail, Environment), detail["loc"], place)
