"""The job catalogue, `jobs.toml`: what is expected of each job, read strictly and with the standard library alone."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from batchtel.catalogue_keys import JOB, CatalogueJob, Kind, Table, WrongValueError
from batchtel.guard import harmless, warn_once
from batchtel.identity import bounded
from batchtel.values import text_of

SHOWN: Final = 3
"""Problems that a job's warning names; `batchtel catalogue check` names all."""


class Problem(NamedTuple):
    """One thing that is wrong, and the line of the file where it is, counted from 1."""

    line: int
    message: str


class CatalogueError(Exception):
    """A catalogue that cannot be used; `problems` has each thing that is wrong, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(count)


_Path = tuple[str, ...]


def parse(text: str) -> dict[str, CatalogueJob]:
    """Read the text of a catalogue; the jobs by name. CatalogueError if anything is wrong, with all of it."""
    import tomllib

    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError([_syntax(str(error), text)]) from None
    found: list[tuple[_Path, str]] = []
    jobs = _jobs(data, found)
    if found:
        lines = text.replace("\r\n", "\n").split("\n")
        raise CatalogueError([Problem(_line(lines, path), f"{_dotted(path)}{message}") for path, message in found])
    return jobs


def _jobs(data: Mapping[str, Any], found: list[tuple[_Path, str]]) -> dict[str, CatalogueJob]:
    for key in data:
        if key != "jobs":
            found.append(((key,), f" is not a key of a catalogue{_near(key, ['jobs'])}"))
    listed = data.get("jobs", {})
    if not isinstance(listed, dict):
        found.append((("jobs",), " is not a table; write [jobs.NAME] above what belongs to a job"))
        return {}
    jobs = {}
    for name, given in listed.items():
        if not name or bounded(name) != name:
            found.append((("jobs", name), " is no name of a job: 1 to 120 printable characters"))
        jobs[name] = _read(given, JOB, ("jobs", name), found)
    return jobs


def _read(given: Any, table: Table, path: _Path, found: list[tuple[_Path, str]]) -> Any:
    """Return the record of a table; what is wrong is added to `found`, and None returned."""
    if not isinstance(given, dict):
        found.append((path, f": {_shown(given)} is not a table; its keys are {', '.join(table.keys)}"))
        return None
    before = len(found)
    values = {}
    for key, value in given.items():
        if key not in table.keys:
            found.append(((*path, key), f" is not a key here{_near(key, table.keys)}"))
        elif isinstance(kind := table.keys[key][0], Kind):
            try:
                values[key] = kind.read(value)
            except WrongValueError as wrong:
                found += [((*path, key), f": {_shown(value)} {problem}") for problem in wrong.problems]
        else:
            values[key] = _read(value, kind, (*path, key), found)
    found += [(path, f" has no {key}; it is needed") for key in table.required if key not in given]
    if len(found) > before:
        return None
    try:
        return table.make(**values)
    except WrongValueError as wrong:
        found += [(path, f": {problem}") for problem in wrong.problems]
        return None


def _near(key: str, known: Any) -> str:
    import difflib

    near = difflib.get_close_matches(key, known, 1)
    return f" (did you mean {near[0]}?)" if near else f"; known here: {', '.join(known)}"


def _shown(value: Any) -> str:
    import json

    return json.dumps(value, default=str, ensure_ascii=False)[:80]


def _dotted(path: _Path) -> str:
    return ".".join(key if re.fullmatch(r"[\w-]+", key, re.ASCII) else _shown(key) for key in path)


def _syntax(message: str, text: str) -> Problem:
    # The parser tells the place in its message alone, before Python 3.14.
    place = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", message, re.DOTALL)
    if place is None:
        return Problem(1, f"not TOML: {message}")
    line = int(place[2]) if place[2] else max(1, text.rstrip().count("\n") + 1)
    where = f" (column {place[3]})" if place[3] else " (at the end)"
    return Problem(line, f"not TOML: {place[1]}{where}")


def _line(lines: list[str], path: _Path) -> int:
    """Return the number of the line that brings `path` into the file.

    The parser tells no places. But a file that is cut after a whole statement still is TOML, and one that is cut within
    a value is not; so the first cut that has the path is the end of its statement, and the one before is its start.
    """
    low, high = 0, len(lines)
    while high - low > 1:
        middle = (low + high) // 2
        cut, data = _before(lines, middle, low)
        if cut > low and not _has(data, path):
            low = cut
        elif cut > low:
            high = cut
        else:
            # Nothing but one long value lies between; its end is what is looked for, or lies above.
            end = next((end for end in range(middle + 1, high + 1) if _parsed(lines, end) is not None), high)
            if _has(_parsed(lines, end) or {}, path):
                return low + 1
            low = end
    return low + 1


def _before(lines: list[str], end: int, low: int) -> tuple[int, dict[str, Any]]:
    """Return the last cut at or before `end`, and above `low`, that is TOML, with its data; else `low`."""
    for cut in range(end, low, -1):
        data = _parsed(lines, cut)
        if data is not None:
            return cut, data
    return low, {}


def _parsed(lines: list[str], end: int) -> dict[str, Any] | None:
    import tomllib

    try:
        return tomllib.loads("\n".join(lines[:end]))
    except tomllib.TOMLDecodeError:
        return None


def _has(data: Any, path: _Path) -> bool:
    for key in path:
        if not isinstance(data, dict) or key not in data:
            return False
        data = data[key]
    return True


def read(path: str | os.PathLike[str]) -> dict[str, CatalogueJob]:
    """Read a catalogue from a file.

    Raises:
        CatalogueError: Something in it is wrong.
        OSError: The file cannot be read.
    """
    with open(path, "rb") as file:
        content = file.read()
    try:
        return parse(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise CatalogueError([Problem(line, "not UTF-8 text; save the file as UTF-8")]) from None


@harmless(None)
def job(path: str, name: str) -> CatalogueJob | None:
    """Return what the catalogue at `path` says about a job; None for a job that is not in it.

    A catalogue that cannot be read is reported once, and says nothing about any job.
    """
    try:
        changed = os.stat(path).st_mtime_ns
    except OSError as error:
        warn_once("catalogue", "BATCHTEL_CATALOGUE=%s: %s; no SLA is checked", text_of(path), error.strerror)
        return None
    return _kept(path, changed).get(name)


@functools.lru_cache(maxsize=1)
def _kept(path: str, changed: int) -> Mapping[str, CatalogueJob]:
    try:
        return read(path)
    except CatalogueError as wrong:
        told = "; ".join(_sentences(wrong.problems))
        message = "BATCHTEL_CATALOGUE=%s has %s, so no SLA is checked: %s"
        warn_once("catalogue", message, text_of(path), wrong, text_of(told))
    except OSError as error:
        warn_once("catalogue", "BATCHTEL_CATALOGUE=%s: %s; no SLA is checked", text_of(path), error.strerror)
    return {}


def _sentences(problems: Sequence[Problem]) -> Iterator[str]:
    yield from (f"line {problem.line}: {problem.message}" for problem in problems[:SHOWN])
    if len(problems) > SHOWN:
        yield "`batchtel catalogue check` shows them all"
