"""The `batchtel` command, whose groups and commands are imported only when they are called.

`batchtel run` stands in front of every cron job, so nothing but click is imported before the command's name is read.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import IO, Any, Final

import click

from batchtel.cli.stdout import ReaderGoneError, UnwritableError, checked
from batchtel.cli.table import COMMANDS, Entry
from batchtel.version import __version__

READER_GONE: Final = 141
"""Exit code where the reader of standard output has ended, as that of other programs: 128 + SIGPIPE."""

INSTALL: Final = "pip install 'batchtel[platform]'"


class Failure(click.ClickException):
    """An error for the user: `message` goes to stderr, and the process exits with `exit_code`.

    Exit codes of every command: 1 a check failed or differs; 2 the input is wrong; 3 a program or backend cannot be
    reached, or standard output cannot be written.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        """Print `error: ` and the message on stderr."""
        click.echo(f"error: {self.format_message()}", file=file, err=True)


class Group(click.Group):
    """A group whose commands are a table of entries.

    Usage errors below it are raised as Failure, in the style of all other errors.
    """

    def __init__(self, name: str | None = None, *, entries: Mapping[str, Entry], **options: Any) -> None:
        super().__init__(name, subcommand_metavar="COMMAND [ARGUMENT]...", **options)
        self.entries = entries

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command line and exit; with 3 where output cannot be written, 141 where its reader has ended."""
        with checked():
            try:
                return super().main(*args, **extra)
            except ReaderGoneError:
                sys.exit(READER_GONE)
            except UnwritableError as error:
                failure = Failure(f"cannot write standard output: {error}", 3)
                failure.show()
                sys.exit(failure.exit_code)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Parse the arguments of the group itself."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            raise _explained(error, self, parent) from None

    def invoke(self, context: click.Context) -> Any:
        """Parse and run the command that the arguments name."""
        try:
            return super().invoke(context)
        except click.UsageError as error:
            command = self.get_command(context, context.invoked_subcommand or "")
            raise _explained(error, command or self, context) from None

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names of the commands, in the order of their table."""
        return list(self.entries)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import and return a command; None if there is none of this name.

        Raises:
            Failure: It needs an extra that is not installed (exit code 2).
        """
        entry = self.entries.get(name)
        if entry is None:
            return None
        module, _, attribute = entry.place.partition(":")
        try:
            command = getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as missing:
            if missing.name is None or missing.name.startswith("batchtel"):
                raise
            typed = f"{path_of(context)} {name}"
            raise Failure(f"`{typed}` needs the platform extra ({missing.name} is missing): {INSTALL}", 2) from None
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments name, and the arguments after it.

        Raises:
            Failure: There is no such command (exit code 2).
        """
        if arguments[0] not in self.entries and not arguments[0].startswith("-"):
            # Only here: `batchtel run` must not pay for the import.
            from batchtel.cli.unknown import unknown_command

            raise Failure(unknown_command(path_of(context), arguments, self.entries), 2)
        return super().resolve_command(context, arguments)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the tables of commands; they are not imported, which costs 200 ms and needs every extra."""
        titles = {False: "Commands", True: f"Commands of the platform ({INSTALL})"}
        for platform, title in titles.items():
            rows = [(name, entry.text) for name, entry in self.entries.items() if entry.platform is platform]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def path_of(context: click.Context) -> str:
    """Return a command as users type it, whatever the program's file is called."""
    above = [path_of(context.parent)] if context.parent is not None else []
    return " ".join([*above, context.command.name or ""])


def _explained(error: click.UsageError, command: click.Command, parent: click.Context | None) -> click.ClickException:
    if type(error).__name__ == "NoArgsIsHelpError":
        # Its text is the help of a group that was called without a command.
        return error
    from batchtel.cli.usage import explanation

    # Some errors of click's parser have no context.
    context = error.ctx or click.Context(command, parent=parent)
    return Failure(explanation(error, context.command, path_of(context)), 2)


@click.command(
    "batchtel",
    cls=Group,
    entries=COMMANDS[""],
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 ok; 1 a check failed or differs; 2 wrong input; 3 a program or backend cannot be reached, "
    "or standard output cannot be written.",
)
@click.version_option(__version__, prog_name="batchtel", message="%(prog)s %(version)s")
def main() -> None:
    """Make batch jobs report what they really did.

    \b
    Examples:
      batchtel run -- ./nightly.sh         any command as a recorded run
      batchtel demo                        jobs, collector and stores on this machine, end to end
      batchtel stack up                    collector, stores and Alertmanager on loopback
      batchtel doctor                      what keeps a run from its stores
      batchtel config render --env local   the collector's configuration
    """
