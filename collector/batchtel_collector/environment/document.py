"""Strict YAML: one document of plain mappings, lists and scalars, each with its place in the file.

PyYAML follows YAML 1.1, in which `NO` is false, `22:22` is 1342 and `0777` is 511. Such scalars are rejected.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import yaml

from batchtel_collector.environment.errors import InputError

Path = tuple[str | int, ...]
"""Keys and list positions that lead to a value."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Line and column in a file, both counted from 1, and the name of the file where several are read as one."""

    line: int
    column: int
    file: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: the message with what to change, and the place if it is in a file."""

    message: str
    path: Path = ()
    place: Place | None = None

    def located(self, name: str) -> str:
        """Return `<name>:<line>:<column>: <message>`, without numbers if there is no place."""
        where = f"{self.place.file or name}:{self.place.line}:{self.place.column}" if self.place else name
        return f"{where}: {self.message}"


class InvalidDocumentError(InputError):
    """A file that cannot be used; `problems` has each thing that is wrong, in the order of the files."""

    def __init__(self, what: str, name: str, problems: list[Problem]) -> None:
        self.name = name
        # File by file, its own first.
        self.problems = sorted(problems, key=lambda problem: _order(problem.place or Place(0, 0), name))
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "".join(f"\n  {problem.located(name)}" for problem in self.problems)
        super().__init__(f"{count} in the {what} {name}{lines}")


def _order(place: Place, name: str) -> tuple[str, Place]:
    return "" if place.file == name else place.file, place


@dataclass(slots=True)
class Document:
    """The data of a file, the places of its values and keys, and what was wrong with its syntax."""

    data: object = None
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    file: str = ""


def read(text: str, file: str = "") -> Document:
    """Read one YAML document; everything that is wrong is in `problems`, never raised.

    `file` is what the places name as their file.
    """
    document = Document(file=file)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = ", ".join(part for part in (error.context, error.problem) if part)
        if "'\\t'" in message:
            message = "a tab; indent with spaces"
        document.problems.append(Problem(f"not YAML: {message}", place=_place(mark, file) if mark else None))
        return document
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = Place(before.count("\n") + 1, error.position - (before.rfind("\n") + 1) + 1, file)
        document.problems.append(Problem(f"not YAML: character U+{error.character:04X} is not allowed", place=place))
        return document
    if root is None:
        document.problems.append(Problem("the file is empty; write keys and values", place=Place(1, 1, file)))
        return document
    document.data = _Reader(document).value(root, ())
    return document


class _Reader:
    """Turns nodes into data and notes places and problems in a document."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._seen: set[int] = set()

    def value(self, node: yaml.Node, path: Path) -> object:
        place = _place(node.start_mark, self._document.file)
        self._document.values[path] = place
        if id(node) in self._seen:
            self._reject("an alias (*name) is not allowed; write the value out", path, place)
            return None
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, object]:
        data: dict[str, object] = {}
        for key_node, value_node in node.value:
            place = _place(key_node.start_mark, self._document.file)
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
                is_merge = key_node.tag == "tag:yaml.org,2002:merge"
                what = "a merge key (<<) is not allowed; write the keys out"
                self._reject(what if is_merge else "a key must be plain text", path, place)
                continue
            key = str(key_node.value)
            below = (*path, key)
            if key in data:
                first = self._document.keys[below]
                self._reject(f"{key} is given twice, first in line {first.line}; remove one", below, place)
                continue
            self._document.keys[below] = place
            data[key] = self.value(value_node, below)
        return data

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> object:
        text = str(node.value)
        if node.style is not None:
            return text
        place = _place(node.start_mark, self._document.file)
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        plain = _PLAIN.get(kind)
        if plain is not None and plain.fullmatch(text):
            return _CONVERT[kind](text)
        if kind == "str":
            return text
        surprise = _SURPRISES.get(kind, "something that is not plain text").format(value=_reading(node))
        advice = f'write "{text}" in quotes for text{_OTHERWISE.get(kind, "")}'
        self._reject(f"{dotted(path)}: {text} is read as {surprise}; {advice}", path, place)
        return None

    def _reject(self, message: str, path: Path, place: Place) -> None:
        self._document.problems.append(Problem(message, path, place))


def dotted(path: Path) -> str:
    """Write a path as it reads in a message: `listen.health`, `job_types[2]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _reading(node: yaml.ScalarNode) -> object:
    try:
        value = yaml.SafeLoader("").construct_object(node)
    except (ValueError, yaml.YAMLError):
        return "something else"
    return str(value).lower()


def _place(mark: yaml.Mark, file: str) -> Place:
    return Place(mark.line + 1, mark.column + 1, file)


# Scalars with the same meaning in YAML 1.1, YAML 1.2 and JSON; all others are rejected.
_PLAIN: Final = {
    "bool": re.compile("true|false"),
    "int": re.compile("-?(0|[1-9][0-9]*)"),
    "float": re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+"),
    "null": re.compile("null|~|"),
}
_CONVERT: Final[dict[str, Callable[[str], object]]] = {
    "bool": lambda text: text == "true",
    "int": int,
    "float": float,
    "null": lambda text: None,
}
_SURPRISES: Final = {
    "bool": "{value} in YAML",
    "int": "the number {value} in YAML",
    "float": "the number {value} in YAML",
    "timestamp": "a date in YAML",
}
_OTHERWISE: Final = {"bool": ", or true or false", "int": ", or a number in digits only"}
