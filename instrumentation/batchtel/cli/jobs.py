"""The commands `batchtel jobs init`, `check` and `schema`: begin a job catalogue, check it, describe it to editors."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, Final

import click

from batchtel import catalogue
from batchtel.catalogue import zones
from batchtel.catalogue.keys import JOB, CatalogueJob, Kind, Table
from batchtel.catalogue.reader import CatalogueError, Problem, read
from batchtel.cli.main import Failure
from batchtel.cli.parameters import FilePath
from batchtel.schema import settings

START: Final = Path(catalogue.__path__[0]) / "jobs.toml"
"""The catalogue that `init` writes."""

_FILE: Final = "jobs.toml"

_NO_JOBS: Final = "there are no jobs; write a section for each, for example [jobs.nightly_etl]"


@click.command(
    epilog="Exit codes: 0 no problem; 2 the catalogue has problems or cannot be read; 3 no database of time zones."
)
@click.argument("file", type=FilePath(), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
def check(file: Path | None, as_json: bool) -> None:
    """Check a catalogue and print every problem in it, with its line.

    FILE is the one that BATCHTEL_CATALOGUE names, else jobs.toml, if not given.

    \b
    Examples:
      batchtel jobs check
      batchtel jobs check deploy/jobs.toml
      batchtel jobs check --json | jq '.problems[].line'
    """
    path = file or Path(settings.read().catalogue or _FILE)
    problems: tuple[Problem, ...] = ()
    jobs: dict[str, CatalogueJob] = {}
    try:
        jobs = read(path)
        _need_zones(path, jobs)
        problems = () if jobs else (Problem(1, _NO_JOBS),)
    except CatalogueError as wrong:
        problems = wrong.problems
    except OSError as error:
        hint = "; begin one with `batchtel jobs init`" if isinstance(error, FileNotFoundError) else ""
        if str(path) == "-":
            hint = "; standard input is the file /dev/stdin: batchtel jobs check /dev/stdin"
        raise Failure(f"cannot read the catalogue {path}: {error.strerror}{hint}", 2) from None
    if as_json:
        click.echo(json.dumps(_document(path, jobs, problems), indent=2))
        raise SystemExit(2 if problems else 0)
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "".join(f"\n  {path}:{problem.line}: {problem.message}" for problem in problems)
        raise Failure(f"{count} in the catalogue {path}{lines}", 2)
    with_sla = sum(job.sla is not None for job in jobs.values())
    click.echo(f"{path} is valid: {len(jobs)} {'job' if len(jobs) == 1 else 'jobs'}, {with_sla} with an SLA")


def _need_zones(path: Path, jobs: dict[str, CatalogueJob]) -> None:
    """Fail where the catalogue names time zones and this machine has no list of them."""
    named = {job.schedule.timezone for job in jobs.values() if job.schedule}
    named |= {job.sla.must_complete_by.timezone for job in jobs.values() if job.sla and job.sla.must_complete_by}
    try:
        for name in named:
            zones.zone(name)
    except zones.NoZonesError as error:
        raise Failure(f"cannot check the time zones of {path}: {error}", 3) from None


def _document(path: Path, jobs: dict[str, CatalogueJob], problems: tuple[Problem, ...]) -> dict[str, Any]:
    return {
        "ok": not problems,
        "file": str(path),
        "jobs": sorted(jobs),
        "problems": [{"line": problem.line, "message": problem.message} for problem in problems],
    }


@click.command(epilog="Exit codes: 0 ok.")
def schema() -> None:
    """Print the catalogue's JSON Schema, for completion and checks in editors.

    Editors with a TOML language server (Taplo, Even Better TOML) use it where the catalogue begins with the comment
    `#:schema ./jobs.schema.json`.

    \b
    Examples:
      batchtel jobs schema > jobs.schema.json
    """
    click.echo(json.dumps(json_schema(), indent=2))


@click.command(epilog="Exit codes: 0 ok; 2 the file is there already, or cannot be written.")
@click.argument("file", type=FilePath(), default=_FILE)
def init(file: Path) -> None:
    """Write a catalogue to begin with, to FILE or jobs.toml. A file that is there is not overwritten.

    \b
    Examples:
      batchtel jobs init
      batchtel jobs init deploy/jobs.toml
    """
    try:
        with open(file, "x", encoding="utf-8") as new:
            new.write(START.read_text(encoding="utf-8"))
    except FileExistsError:
        raise Failure(f"{file} is there already; name another file, or remove it", 2) from None
    except FileNotFoundError:
        folder = file.parent
        how = f"mkdir -p {shlex.quote(str(folder))}"
        raise Failure(f"cannot write {file}: the folder {folder} does not exist; make it: {how}", 2) from None
    except OSError as error:
        raise Failure(f"cannot write {file}: {error.strerror}", 2) from None
    click.echo(f"wrote {file}; jobs read it with BATCHTEL_CATALOGUE={file.absolute()}")


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a catalogue, from the table of its keys."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "batchtel job catalogue",
        "type": "object",
        "additionalProperties": False,
        "properties": {"jobs": {"type": "object", "additionalProperties": _of_table(JOB)}},
    }


def _of_table(table: Table) -> dict[str, Any]:
    properties = {}
    for key, (kind, description) in table.keys.items():
        own = dict(kind.schema) if isinstance(kind, Kind) else _of_table(kind)
        properties[key] = {"description": description, **own}
    required = {"required": list(table.required)} if table.required else {}
    return {"type": "object", "additionalProperties": False, "properties": properties, **required, **table.schema}
