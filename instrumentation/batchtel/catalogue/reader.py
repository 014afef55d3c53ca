"""The job catalogue, `jobs.toml`: what is expected of each job, read strictly and with the standard library alone."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from batchtel.base import pristine
from batchtel.base.guard import harmless, warn_once
from batchtel.base.identity import is_name
from batchtel.base.nearest import nearest
from batchtel.base.values import text_of
from batchtel.catalogue.keys import JOB, TEXT, UNUSED, CatalogueJob, Kind, Table, WrongValueError
from batchtel.schema.limits import NAME_LENGTH

SHOWN: Final = 3
"""Problems that a job's warning names; `batchtel jobs check` names all."""


class Problem(NamedTuple):
    """One thing that is wrong, and the line of the file where it is, counted from 1."""

    line: int
    message: str


class CatalogueError(Exception):
    """A catalogue with something wrong in it.

    Attributes:
        problems: Each thing that is wrong, in the order of the file.
        jobs: The jobs that can be used; one with a wrong entry is among them without its SLA.
        of_jobs: The problems of each job that has any.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        jobs: Mapping[str, CatalogueJob] = MappingProxyType({}),
        of_jobs: Mapping[str, tuple[Problem, ...]] = MappingProxyType({}),
    ) -> None:
        self.problems = tuple(sorted(problems))
        self.jobs = jobs
        self.of_jobs = of_jobs
        super().__init__(_counted(problems))


def _counted(problems: Sequence[Problem]) -> str:
    return "1 problem" if len(problems) == 1 else f"{len(problems)} problems"


_Path = tuple[str, ...]


def parse(text: str) -> dict[str, CatalogueJob]:
    """Read the text of a catalogue; the jobs by name. CatalogueError if anything is wrong, with all of it."""
    import tomllib

    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problem = _syntax(str(error), text)
        raise CatalogueError([problem], *_rest(text, problem)) from None
    found: list[tuple[_Path, str]] = []
    jobs = _jobs(data, found)
    if found:
        places = _places(text)
        of_jobs: dict[str, tuple[Problem, ...]] = {}
        problems = []
        for path, message in found:
            problems.append(Problem(places.get(path, 1), f"{_dotted(path)}{message}"))
            if len(path) > 1:
                of_jobs[path[1]] = (*of_jobs.get(path[1], ()), problems[-1])
        raise CatalogueError(problems, jobs, of_jobs)
    return jobs


def _rest(text: str, problem: Problem) -> tuple[dict[str, CatalogueJob], dict[str, tuple[Problem, ...]]]:
    """Return the jobs that can be used of a text that is not TOML, and those that cannot, each with the problem."""
    from batchtel.catalogue import sections

    whole, broken = sections.split(text)
    return _jobs(whole, []), dict.fromkeys(broken, (problem,))


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
        if not is_name(name):
            found.append(
                (("jobs", name), f" is not a name of a job: write 1 to {NAME_LENGTH} bytes of printable characters")
            )
        jobs[name] = _read(_used(given, ("jobs", name), found), JOB, ("jobs", name), found) or _without_sla(given)
    return jobs


def _used(given: Any, path: _Path, found: list[tuple[_Path, str]]) -> Any:
    """Return a table without the keys that this version does not use, which are added to `found`."""
    if not isinstance(given, dict):
        return given
    for key in UNUSED:
        if key in given:
            found.append(((*path, key), " is not used by this version; remove it"))
    return {
        key: _used(value, (*path, key), found) if isinstance(value, dict) else value
        for key, value in given.items()
        if key not in UNUSED
    }


def _without_sla(given: Any) -> CatalogueJob:
    """Return what can be used of a job with a wrong entry: its texts."""
    texts = {}
    for key in ("type", "owner", "team"):
        if isinstance(given, dict) and key in given:
            with contextlib.suppress(WrongValueError):
                texts[key] = TEXT.read(given[key])
    return CatalogueJob(**texts)


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


def _near(key: str, allowed: Any) -> str:
    near = nearest(key, allowed)
    return f" (did you mean {near}?)" if near else f"; write one of {', '.join(allowed)}"


def _shown(value: Any) -> str:
    import json

    return json.dumps(value, default=str, ensure_ascii=False)[:80]


def _dotted(path: _Path) -> str:
    return ".".join(key if re.fullmatch(r"[\w-]+", key, re.ASCII) else _shown(key) for key in path)


def _syntax(message: str, text: str) -> Problem:
    # The parser has the place in its message alone, before Python 3.14.
    place = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", message, re.DOTALL)
    if place is None:
        return Problem(1, f"not TOML: {message}")
    line = int(place[2]) if place[2] else max(1, text.rstrip().count("\n") + 1)
    where = f" (column {place[3]})" if place[3] else " (at the end)"
    return Problem(line, f"not TOML: {place[1]}{where}")


def _places(text: str) -> dict[_Path, int]:
    """Return the line that brings each key into the file, which is TOML.

    The parser returns no places. But each statement is TOML by itself, and the lines of a longer one are not until it
    is whole, so the file is read again statement by statement.
    """
    import tomllib

    lines = text.replace("\r\n", "\n").split("\n")
    places: dict[_Path, int] = {}
    start = 0
    header: _Path = ()
    for end in range(1, len(lines) + 1):
        try:
            data = tomllib.loads("\n".join(lines[start:end]))
        except tomllib.TOMLDecodeError:
            continue
        is_header = lines[start].lstrip(" \t").startswith("[")
        paths = list(_paths(data, () if is_header else header))
        header = paths[-1] if is_header else header
        for path in paths:
            places.setdefault(path, start + 1)
        start = end
    return places


def _paths(data: Mapping[str, Any], above: _Path) -> Iterator[_Path]:
    for key, value in data.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from _paths(value, (*above, key))


def read(path: str | os.PathLike[str]) -> dict[str, CatalogueJob]:
    """Read a catalogue from a file.

    Raises:
        CatalogueError: Something in it is wrong.
        OSError: The file cannot be read.
    """
    with pristine.open(path, "rb") as file:
        content = file.read()
    try:
        return parse(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        problem = Problem(line, "not UTF-8 text; save the file as UTF-8")
        text = content.decode("utf-8-sig", errors="surrogateescape")
        raise CatalogueError([problem], *_rest(text, problem)) from None


@harmless(None)
def job(path: str, name: str) -> CatalogueJob | None:
    """Return the entry of a job in the catalogue at `path`; None for a job that is not in it.

    A wrong entry costs its own job the SLA, and is reported by that job; a file that cannot be read is reported once.
    """
    try:
        changed = os.stat(path).st_mtime_ns
    except OSError as error:
        warn_once("catalogue", "BATCHTEL_CATALOGUE=%s: %s; no SLA is checked", text_of(path), error.strerror)
        return None
    jobs, of_jobs, of_none = _kept(path, changed)
    if of_none:
        message = "BATCHTEL_CATALOGUE=%s has %s: %s"
        warn_once("catalogue", message, text_of(path), _counted(of_none), text_of(_sentences(of_none)))
    found = jobs.get(name)
    if problems := of_jobs.get(name):
        lost = "" if found is not None and found.sla is not None else ", so its SLA is not checked"
        message = "BATCHTEL_CATALOGUE=%s has %s in the entry of %s%s: %s"
        warned = (text_of(path), _counted(problems), text_of(name), lost, text_of(_sentences(problems)))
        warn_once(f"catalogue entry:{name}", message, *warned)
    return found


@harmless(())
def names(path: str) -> Sequence[str]:
    """Return the jobs of the catalogue at `path`; none where it cannot be read."""
    with contextlib.suppress(OSError):
        return tuple(_kept(path, os.stat(path).st_mtime_ns)[0])
    return ()


_Kept = tuple[Mapping[str, CatalogueJob], Mapping[str, tuple[Problem, ...]], tuple[Problem, ...]]


@functools.lru_cache(maxsize=1)
def _kept(path: str, changed: int) -> _Kept:
    """Return the jobs that can be used, the problems of each job, and those that belong to no job."""
    try:
        return read(path), {}, ()
    except CatalogueError as wrong:
        of_some = {problem for problems in wrong.of_jobs.values() for problem in problems}
        return wrong.jobs, wrong.of_jobs, tuple(problem for problem in wrong.problems if problem not in of_some)
    except OSError as error:
        warn_once("catalogue", "BATCHTEL_CATALOGUE=%s: %s; no SLA is checked", text_of(path), error.strerror)
        return {}, {}, ()


def _sentences(problems: Sequence[Problem]) -> str:
    shown = [f"line {problem.line}: {problem.message}" for problem in problems[:SHOWN]]
    if len(problems) > SHOWN:
        shown.append("`batchtel jobs check` shows them all")
    return "; ".join(shown)
