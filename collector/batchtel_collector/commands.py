"""The commands `batchtel render` and `batchtel check`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from batchtel.command import Failure
from batchtel_collector import check as checking
from batchtel_collector import program
from batchtel_collector.document import Problem
from batchtel_collector.environment import WrongEnvironment, load
from batchtel_collector.render import render as render_text

_environment = click.option(
    "--env",
    "environment",
    required=True,
    metavar="NAME|FILE",
    help="A shipped environment such as local, or a file such as ./production.yaml.",
)


@click.command()
@_environment
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file instead of standard output.",
)
def render(environment: str, output: Path | None) -> None:
    """Print the collector's configuration for an environment.

    \b
    Examples:
      batchtel render --env local                     print it
      batchtel render --env local -o collector.yaml   write it to a file
      batchtel render --env ./production.yaml         render an environment of your own
    """
    text = render_text(load(environment))
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"cannot write {output}: {error.strerror}", 2) from None


@click.command()
@_environment
@click.option("--collector", type=click.Path(path_type=Path), metavar="PATH", help="The collector to ask.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
def check(environment: str, collector: Path | None, as_json: bool) -> None:
    """Check an environment and its rendered configuration.

    The file is read strictly, the configuration is rendered, and a real collector is asked whether it would start with
    it. Without --collector that is the one built by `batchtel up`, else otelcol-batchtel, otelcol-contrib or otelcol
    on PATH. Nothing is started.

    \b
    Examples:
      batchtel check --env local
      batchtel check --env ./production.yaml --collector /usr/bin/otelcol-contrib
      batchtel check --env local --json
    """
    try:
        settings = load(environment)
    except WrongEnvironment as wrong:
        if as_json:
            _report(environment, None, [_document(wrong.name, problem) for problem in wrong.problems])
            raise SystemExit(wrong.exit_code) from None
        raise
    asked = collector or program.find()
    problems = checking.check(settings, asked)
    if as_json:
        _report(environment, asked, [{"message": problem} for problem in problems])
        raise SystemExit(1 if problems else 0)
    if problems:
        lines = "".join(f"\n  {problem}" for problem in problems)
        raise Failure(f"the collector {asked} refuses the configuration of {environment}{lines}", 1)
    click.echo(f"{environment} is right: {asked} ({program.version(asked)}) accepts its configuration")


def _report(environment: str, collector: Path | None, problems: list[dict[str, Any]]) -> None:
    click.echo(
        json.dumps(
            {
                "ok": not problems,
                "environment": environment,
                "collector": str(collector) if collector else None,
                "problems": problems,
            },
            indent=2,
        )
    )


def _document(name: str, problem: Problem) -> dict[str, Any]:
    place = problem.place
    return {
        "message": problem.message,
        "file": place.file if place else name,
        "line": place.line if place else None,
        "column": place.column if place else None,
    }
