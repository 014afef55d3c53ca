"""The commands `batchtel render` and `batchtel check`."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

import click

from batchtel.command import Failure
from batchtel_collector import check as checking
from batchtel_collector import layers, program
from batchtel_collector.budget import budget
from batchtel_collector.document import Problem
from batchtel_collector.environment import WrongEnvironment, load
from batchtel_collector.formats import FORMATS, file_name, formatted
from batchtel_collector.variants import Variant, variants

environment_option = click.option(
    "--env",
    "environment",
    required=True,
    metavar="NAME|FILE",
    help="A shipped environment such as local, or a file such as ./production.yaml.",
)
_role = click.option("--role", type=click.Choice(layers.ROLES), help="The role; the file's own if not given.")


@click.command()
@environment_option
@_role
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="collector",
    show_default=True,
    help="The configuration alone, or within what a platform wants to have.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(),  # as text: a Path forgets the slash that makes it a folder
    help="Write to this file, or into this folder under a name of its own, instead of standard output. "
    "A folder that is not there yet ends in a slash.",
)
@click.option("--check", "compare", is_flag=True, help="Write nothing; exit with 1 if --output is not what would be.")
@click.option("--diff", is_flag=True, help="Write nothing; print what would change in --output.")
def render(environment: str, role: str | None, form: str, output: str | None, compare: bool, diff: bool) -> None:
    """Print the collector's configuration for an environment.

    \b
    Examples:
      batchtel render --env local                                   print it
      batchtel render --env local -o collector.yaml                 write it to a file
      batchtel render --env ./mine.yaml --role agent -o deploy/     write deploy/mine-agent.yaml
      batchtel render --env production --role gateway --format helm -o deploy/
      batchtel render --env ./mine.yaml -o deploy/ --diff           show what would change
    """
    settings = load(environment, role=role)
    title = next((one.stem for one in variants(environment) if one.role == settings.role), settings.name)
    text = formatted(settings, form, title)
    if output is None:
        if compare or diff:
            raise Failure("--check and --diff compare with a file; name it with --output", 2)
        click.echo(text, nl=False)
        return
    is_folder = output.endswith("/") or Path(output).is_dir()
    file = Path(output) / file_name(title, form) if is_folder else Path(output)
    if compare or diff:
        _compare(file, text, diff)
        return
    try:
        if is_folder:
            file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"cannot write {file}: {error.strerror}", 2) from None
    click.echo(f"wrote {file}", err=True)


def _compare(file: Path, text: str, diff: bool) -> None:
    """Exit with 1 when the file has another text; with `diff` print the lines first."""
    state = "is not what is rendered"
    try:
        there = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        there, state = "", "is not there"
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"cannot read {file}: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}", 2) from None
    if diff:
        lines = difflib.unified_diff(
            there.splitlines(keepends=True), text.splitlines(keepends=True), str(file), "rendered", n=2
        )
        click.echo("".join(lines), nl=False)
    if there != text:
        raise Failure(f"{file} {state}; write it anew: leave out --check and --diff", 1)


@click.command()
@click.option(
    "--env",
    "environment",
    metavar="NAME|FILE",
    help="A shipped environment such as local, or a file such as ./production.yaml; all shipped ones if not given.",
)
@_role
@click.option("--collector", type=click.Path(path_type=Path), metavar="PATH", help="The collector to ask.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
def check(environment: str | None, role: str | None, collector: Path | None, as_json: bool) -> None:
    """Check environments and their rendered configurations, in every role that they are made for.

    The file is read strictly, the configuration is rendered, no secret may be in it, the known jobs have to fit below
    the limit of series, and a real collector is asked whether it would start with it. Without --collector that is the
    one built by `batchtel up`, else otelcol-batchtel, otelcol-contrib or otelcol on PATH. Nothing is started.

    \b
    Examples:
      batchtel check                                                       every shipped environment
      batchtel check --env local
      batchtel check --env ./production.yaml --collector /usr/bin/otelcol-contrib
      batchtel check --env local --json
    """
    try:
        chosen = [one for one in variants(environment) if role in (None, one.role)]
        if environment is not None and role is not None and not chosen:
            chosen = [Variant(environment, role, f"{environment}-{role}")]
        settings = [(one, load(one.name, role=one.role)) for one in chosen]
    except WrongEnvironment as wrong:
        if as_json:
            problems = [_document(wrong.name, problem) for problem in wrong.problems]
            _report([{"environment": environment, "role": role, "problems": problems}], None)
            raise SystemExit(wrong.exit_code) from None
        raise
    # Absolute: of `./otelcol` a Path keeps `otelcol`, which would be looked for on PATH.
    asked = program.find() if collector is None else collector.absolute() if collector.exists() else collector
    results: list[dict[str, Any]] = []
    for one, loaded in settings:
        problems = [{"message": problem} for problem in checking.check(loaded, asked)]
        results.append({"environment": one.name, "role": one.role, "problems": problems})
        if not as_json:
            _say(one, problems, "" if one.role == "agent" else _room(loaded), asked)
    if as_json:
        _report(results, asked)
    if any(result["problems"] for result in results):
        raise SystemExit(1)


def _say(variant: Variant, problems: list[dict[str, Any]], room: str, asked: Path) -> None:
    if problems:
        lines = "".join(f"\n  {problem['message']}" for problem in problems)
        Failure(f"the configuration of {variant.stem} is wrong, says this check with {asked}{lines}", 1).show()
    else:
        click.echo(f"{variant.stem} is right: {asked} ({program.version(asked)}) accepts its configuration{room}")


def _room(environment: Any) -> str:
    reckoned = budget(environment)
    return (
        f"; a job takes up to {reckoned.sums} of {reckoned.limit} sums and {reckoned.series} series, "
        f"so there is room for {reckoned.room} jobs"
    )


def _report(results: list[dict[str, Any]], asked: Path | None) -> None:
    ok = not any(result["problems"] for result in results)
    document = {"ok": ok, "collector": str(asked) if asked else None, "environments": results}
    click.echo(json.dumps(document, indent=2))


def _document(name: str, problem: Problem) -> dict[str, Any]:
    place = problem.place
    return {
        "message": problem.message,
        "file": place.file if place else name,
        "line": place.line if place else None,
        "column": place.column if place else None,
    }
