"""The `batchtel` command: a table of subcommands, each imported only when it is called.

`batchtel run` stands in front of every cron job, so the command may import nothing but click until it knows what to do.
"""

from __future__ import annotations

import importlib
from typing import IO, Any, Final

import click

from batchtel.version import __version__

SUBCOMMANDS: Final = {
    "run": ("batchtel.cli.run:run", "Run any command and record it."),
    "catalogue": ("batchtel.cli.catalogue:catalogue", "Check, describe or begin the job catalogue, jobs.toml."),
    "spool": ("batchtel.cli.spool:spool", "Show what waits in a spool, and send it without a job."),
    "demo": ("batchtel_stack.demo.commands:demo", "Run the main job on a stack of its own and compare what arrived."),
    "up": ("batchtel_stack.commands:up", "Start collector, Prometheus, VictoriaLogs and Jaeger on loopback."),
    "status": ("batchtel_stack.commands:status", "Say which programs of the stack run, and why one does not."),
    "logs": ("batchtel_stack.commands:logs", "Show what the programs of the stack have logged."),
    "down": ("batchtel_stack.commands:down", "Stop the stack and leave no process."),
    "doctor": ("batchtel_stack.doctor.commands:doctor", "Send a canary run and find it; name the fix for what fails."),
    "render": ("batchtel_collector.cli.render:render", "Print the collector's configuration for an environment."),
    "env": ("batchtel_collector.cli.job_variables:env", "Print the variables that jobs need in an environment."),
    "environments": (
        "batchtel_collector.cli.environments:environments",
        "List the environments that can be rendered, and show what is in them.",
    ),
    "check": ("batchtel_collector.cli.check:check", "Check environments and their rendered configurations."),
}
"""Name of the subcommand -> where its click command lives, and its line in `batchtel --help`."""

INSTALL: Final = "pip install 'batchtel[platform]'"


class Failure(click.ClickException):
    """An error for the user: `message` goes to stderr, and the process exits with `exit_code`.

    Exit codes of every command: 1 a check failed or differs; 2 the input is wrong; 3 a program or backend cannot be
    reached.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        """Print `error: ` and the message on stderr."""
        click.echo(f"error: {self.format_message()}", file=file, err=True)


class _Subcommands(click.Group):
    def list_commands(self, context: click.Context) -> list[str]:
        return list(SUBCOMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in SUBCOMMANDS:
            return None
        module, _, attribute = SUBCOMMANDS[name][0].partition(":")
        try:
            command = getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as missing:
            if missing.name is None or missing.name.startswith("batchtel"):
                raise
            raise Failure(
                f"`batchtel {name}` needs the platform extra ({missing.name} is missing): {INSTALL}", 2
            ) from None
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if arguments[0] not in SUBCOMMANDS and not arguments[0].startswith("-"):
            # Only here: `batchtel run` must not pay for the import.
            from difflib import get_close_matches

            near = get_close_matches(arguments[0], SUBCOMMANDS, 1)
            hint = f"did you mean {near[0]}?" if near else "batchtel --help lists them"
            raise Failure(f"batchtel has no command {arguments[0]!r}; {hint}", 2)
        return super().resolve_command(context, arguments)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        # The listing must not import the subcommands: it would cost 200 ms and need every extra.
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in SUBCOMMANDS.items()])


@click.group(
    cls=_Subcommands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 ok; 1 a check failed or differs; 2 wrong input; 3 a program or backend cannot be reached.",
)
@click.version_option(__version__, prog_name="batchtel", message="%(prog)s %(version)s")
def main() -> None:
    """Make batch jobs report what they really did.

    \b
    Examples:
      batchtel demo                 the main job, end to end, on this machine
      batchtel render --env local   the collector's configuration
      batchtel up                   collector, Prometheus, VictoriaLogs and Jaeger on loopback
      batchtel run -- ./nightly.sh  any command as a recorded run
      batchtel doctor               what keeps a run from its stores
    """
