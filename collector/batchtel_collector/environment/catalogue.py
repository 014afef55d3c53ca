"""The job catalogue of an environment, `jobs.toml`: names and labels that its metrics keep apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema

from batchtel.base.identity import bounded
from batchtel.catalogue import reader
from batchtel_collector.environment.document import Place, Problem


@dataclass(frozen=True)
class Catalogue:
    """What a collector needs of a catalogue; a rendered configuration contains it, so the file is not read at run time.

    Attributes:
        jobs: the names of the jobs as label `job_name` has them, in the order of the file.
        owners: each owner of a job once.
        teams: each team of a job once.
        file: where it was read; None for the empty one.
    """

    jobs: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    file: Path | None = None


def read(path: Path, named_at: Place | None) -> tuple[Catalogue, list[Problem]]:
    """Return the catalogue at `path` and everything that is wrong with it.

    Args:
        path: the file.
        named_at: where the environment names it, which is where a file that cannot be read is reported.
    """
    try:
        jobs = reader.read(path)
    except OSError as error:
        hint = f"; write one with `batchtel jobs init {path}`" if isinstance(error, FileNotFoundError) else ""
        message = f"catalogue: cannot read {path}: {error.strerror}{hint}"
        return Catalogue(), [Problem(message, ("catalogue",), named_at)]
    except reader.CatalogueError as wrong:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
        return Catalogue(), [_located(problem, lines, str(path)) for problem in wrong.problems]
    return (
        Catalogue(
            _distinct(bounded(name) for name in jobs),
            _distinct(job.owner for job in jobs.values()),
            _distinct(job.team for job in jobs.values()),
            path,
        ),
        [],
    )


def _located(problem: reader.Problem, lines: list[str], file: str) -> Problem:
    """Return the problem with the column where the statement of its line begins."""
    line = lines[problem.line - 1] if problem.line <= len(lines) else ""
    return Problem(problem.message, place=Place(problem.line, len(line) - len(line.lstrip()) + 1, file))


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))


def _is_read(value: object) -> Catalogue:
    if isinstance(value, Catalogue):
        return value
    raise ValueError('is not the path of a file; write for example "./jobs.toml"')


CatalogueFile = Annotated[
    Catalogue,
    PlainValidator(_is_read),
    WithJsonSchema({"type": "string", "description": "path of a file, relative to this one"}),
]
"""A field that is written as a path; `load` puts what the file contains in its place before the model sees it."""
