"""The command `batchtel config variables`."""

from __future__ import annotations

import click

from batchtel_collector.cli.errors import as_failures
from batchtel_collector.cli.options import environment_option
from batchtel_collector.environment import load
from batchtel_collector.render.job_variables import FORMATS, text


@click.command(epilog="Exit codes: 0 ok; 2 the environment is wrong.")
@environment_option
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    default="dotenv",
    show_default=True,
    help="The form in which the variables are written.",
)
@as_failures()
def variables(environment: str, form: str) -> None:
    """Print the variables that jobs need in an environment, secrets by reference.

    \b
    Examples:
      batchtel config variables --env local > local.env                      then: set -a; . ./local.env
      batchtel config variables --env production --format docker > job.env   then: docker run --env-file job.env
      batchtel config variables --env production --format kubernetes         env and mounts of a container
      batchtel config variables --env production --format instrumentation    for OpenTelemetry's operator
      batchtel config variables --env production --format airflow            scheduler, workers, triggerer
      batchtel config variables --env production --format systemd            a drop-in of the job's unit
    """
    read = load.read(environment)
    click.echo(text(read.environment(), form, read.typed), nl=False)
