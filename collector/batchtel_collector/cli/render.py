"""The command `batchtel config render`."""

from __future__ import annotations

import difflib
from pathlib import Path

import click

from batchtel.cli.main import Failure
from batchtel_collector.cli.errors import as_failures
from batchtel_collector.cli.options import environment_option, role_option
from batchtel_collector.environment import load
from batchtel_collector.environment.role_variants import Variant
from batchtel_collector.render.configuration import GENERATED
from batchtel_collector.render.formats import FORMATS, file_name, formatted


@click.command(
    epilog="Exit codes: 0 ok; 1 with --check or --diff: the file differs; 2 the environment or a file is wrong."
)
@environment_option
@role_option
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="collector",
    show_default=True,
    help="The configuration alone, or within the files of a platform.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE|FOLDER",
    type=click.Path(),  # as text: a Path loses the slash that makes it a folder
    help="Write to this file, or into this folder under a name of its own, instead of standard output. "
    "A folder that does not exist yet ends in a slash.",
)
@click.option("--check", "compare", is_flag=True, help="Write nothing; exit with 1 if --output is out of date.")
@click.option("--diff", is_flag=True, help="Write nothing; print what would change in --output.")
@as_failures()
def render(environment: str, role: str | None, form: str, output: str | None, compare: bool, diff: bool) -> None:
    """Print the collector's configuration for an environment.

    \b
    Examples:
      batchtel config render --env local                                   print it
      batchtel config render --env local -o collector.yaml                 write it to a file
      batchtel config render --env ./mine.yaml --role agent -o deploy/     write deploy/mine-agent.yaml
      batchtel config render --env production --role gateway --format helm -o deploy/
      batchtel config render --env production --role agent --format systemd -o deploy/
      batchtel config render --env ./mine.yaml -o deploy/ --diff           show what would change
    """
    read = load.read(environment)
    settings = read.environment(role)
    title = Variant(read, settings.role).stem
    text = formatted(settings, form, title, read.typed)
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
    _require_generated(file)
    try:
        if is_folder:
            file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"cannot write {file}: {error.strerror}", 2) from None
    click.echo(f"wrote {file}", err=True)


def _require_generated(file: Path) -> None:
    """Do nothing for a new file, a device, and a file that was rendered: of the user's own none is replaced."""
    if file.is_file():
        try:
            head = file.read_bytes()[:1000]
        except OSError as error:
            raise Failure(f"cannot read {file}: {error.strerror}", 2) from None
        if head.strip() and GENERATED.encode() not in head:
            raise Failure(f"{file} exists and was not written by this command; name another file, or remove it", 2)


def _compare(file: Path, text: str, diff: bool) -> None:
    """Exit with 1 when the file has another text; with `diff` print the lines first."""
    state = "is out of date"
    try:
        there = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        there, state = "", "does not exist"
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"cannot read {file}: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}", 2) from None
    if diff:
        lines = difflib.unified_diff(
            there.splitlines(keepends=True), text.splitlines(keepends=True), str(file), "rendered", n=2
        )
        click.echo("".join(lines), nl=False)
    if there != text:
        raise Failure(f"{file} {state}; to write it, leave out --check and --diff", 1)
