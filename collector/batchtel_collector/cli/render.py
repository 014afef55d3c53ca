"""The commands `batchtel render` and `batchtel check`."""

from __future__ import annotations

import difflib
import json
from pathlib import Path

import click

from batchtel.command import Failure
from batchtel_collector.check import collector_binary
from batchtel_collector.check.result import Verdict, document
from batchtel_collector.environment import layers
from batchtel_collector.environment.document import WrongDocument
from batchtel_collector.environment.load import load
from batchtel_collector.environment.role_variants import variants
from batchtel_collector.render.formats import FORMATS, file_name, formatted

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
    (variant,) = variants(environment, settings.role)
    title = variant.stem
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

    Exits with 0 when all are right, 1 when a rendered configuration is wrong, 2 when NAME, FILE or its extras are, 3
    when no collector can be asked.

    \b
    Examples:
      batchtel check                                                       every shipped environment
      batchtel check --env local
      batchtel check --env ./production.yaml --collector /usr/bin/otelcol-contrib
      batchtel check --env local --json
    """
    verdicts: list[Verdict] = []
    asked: Path | None = None
    for variant in variants(environment, role):
        try:
            loaded = load(variant.name, role=variant.role)
            asked = asked or _collector(collector)
            verdict = Verdict.of(variant, loaded, asked)
        except WrongDocument as wrong:
            verdict = Verdict.of_file(variant, wrong)
        # What is wrong in every role is told once.
        if not as_json and verdict.text not in [one.text for one in verdicts]:
            verdict.show()
        verdicts.append(verdict)
    if as_json:
        click.echo(json.dumps(document(verdicts, asked), indent=2))
    raise SystemExit(max(verdict.exit_code for verdict in verdicts))


def _collector(named: Path | None) -> Path:
    # Absolute: of `./otelcol` a Path keeps `otelcol`, which would be looked for on PATH.
    found = collector_binary.find() if named is None else named.absolute() if named.exists() else named
    collector_binary.require(found)
    return found
