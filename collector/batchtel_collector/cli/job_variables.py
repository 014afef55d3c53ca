"""The command `batchtel env`."""

from __future__ import annotations

import click

from batchtel_collector.cli.errors import as_failures
from batchtel_collector.cli.options import environment_option
from batchtel_collector.environment.load import load
from batchtel_collector.render.job_variables import FORMATS, text


@click.command()
@environment_option
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    default="dotenv",
    show_default=True,
    help="For whom the variables are written.",
)
@as_failures()
def env(environment: str, form: str) -> None:
    """Print the variables that jobs need in an environment, secrets by reference.

    \b
    Examples:
      batchtel env --env local > local.env                      then: set -a; . ./local.env
      batchtel env --env production --format docker > job.env   then: docker run --env-file job.env
      batchtel env --env production --format kubernetes         env of a container
      batchtel env --env production --format airflow            scheduler, workers, triggerer
      batchtel env --env production --format systemd            a drop-in of the job's unit
    """
    click.echo(text(load(environment), form), nl=False)
