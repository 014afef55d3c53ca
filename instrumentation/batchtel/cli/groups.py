"""The groups of commands. Their help needs no extra; what they hold is imported when it is called."""

from __future__ import annotations

import click

from batchtel.cli.main import Group
from batchtel.cli.table import COMMANDS


@click.command(
    cls=Group,
    entries=COMMANDS["jobs"],
    epilog="Exit codes: 0 ok; 1 no such job; 2 the catalogue has problems, or a file cannot be read or written; "
    "3 no time zones, or Prometheus does not answer.",
)
def jobs() -> None:
    """List the jobs that run, and begin, check or describe the job catalogue, jobs.toml.

    It holds what is expected of each job: owner, schedule, SLA. Jobs read the file that BATCHTEL_CATALOGUE names.

    \b
    Examples:
      batchtel jobs list                    each job's state, last success, last 7 days
      batchtel jobs show nightly_etl        one job with its trend and last runs
      batchtel jobs init                    write a jobs.toml to begin with
      batchtel jobs check                   check the file that BATCHTEL_CATALOGUE names, else jobs.toml
      batchtel jobs schema > jobs.schema.json
    """


@click.command(
    cls=Group,
    entries=COMMANDS["runs"],
    epilog="Exit codes: 0 ok; 1 no such run, or the id means several; 2 wrong input; "
    "3 the store of logs does not answer.",
)
def runs() -> None:
    """List runs, show one with all that is recorded of it, or compare it with the last good one.

    Runs are read from the stores of `batchtel stack up`, of an environment, or at the addresses of options.

    \b
    Examples:
      batchtel runs list                            the runs of the last 24 hours
      batchtel runs list --status failure           those that failed
      batchtel runs show 01a22867-8337              one run, by the beginning of its id
      batchtel runs compare 01a22867-8337           what was different this time
    """


@click.command(
    cls=Group,
    entries=COMMANDS["spool"],
    epilog="Exit codes: 0 ok; 1 a request is rejected or has no endpoint; 2 wrong input; "
    "3 the collector cannot be reached.",
)
def spool() -> None:
    """Show what waits in the spool BATCHTEL_SPOOL_DIR, and send it without waiting for the next run.

    \b
    Examples:
      batchtel spool list                       what waits, and since when
      batchtel spool send                       send it now, once
      batchtel spool send --every 30            beside an agent: send what comes, until stopped
      batchtel spool send /var/spool/batchtel   another folder than BATCHTEL_SPOOL_DIR
    """


@click.command(
    cls=Group,
    entries=COMMANDS["stack"],
    epilog="Exit codes: 0 ok; 1 a program has ended by itself; 2 wrong input; 3 a program cannot be built or started.",
)
def stack() -> None:
    """Start, watch and stop the stack on this machine.

    A collector, Prometheus, Alertmanager, VictoriaLogs and Jaeger listen on loopback. It needs no containers and no
    root. The programs are built once from Go modules.

    \b
    Examples:
      batchtel stack up               start it; the first time, build it
      batchtel stack status           which programs run, and where
      batchtel stack logs collector   what the collector has logged
      batchtel stack down             stop it; the data stays
    """


@click.command(
    cls=Group,
    entries=COMMANDS["config"],
    epilog="Exit codes: 0 ok; 1 a rendered configuration is wrong or differs; 2 an environment or a file is wrong; "
    "3 there is no collector to check with.",
)
def config() -> None:
    """Render the collector's configuration for an environment, check it, and print what jobs need there.

    An environment is a shipped one, by its name, or a file of your own.

    \b
    Examples:
      batchtel config environments                        the shipped ones, and what each is for
      batchtel config render --env local                  the collector's configuration
      batchtel config check --env ./production.yaml       what is wrong in a file, or in what it renders to
      batchtel config variables --env ./production.yaml   what to set in job containers
    """


@click.command(
    cls=Group,
    entries=COMMANDS["dashboards"],
    epilog="Exit codes: 0 ok; 1 a board breaks a rule or is refused; 2 wrong input, or a file cannot be read or "
    "written; 3 Grafana cannot be reached.",
)
def dashboards() -> None:
    """Write the boards of Grafana with their provisioning files, check boards, and publish them.

    The boards are part of this package. Grafana loads them from a folder, or receives them by its HTTP API.

    \b
    Examples:
      batchtel dashboards build --output ./grafana            the boards, their provider, and the data sources
      batchtel dashboards check ./grafana/boards              what is wrong in boards
      batchtel dashboards publish --url https://example.com   the boards, to a Grafana that runs
    """


@click.command(
    cls=Group,
    entries=COMMANDS["alerts"],
    epilog="Exit codes: 0 ok; 2 the catalogue has problems or cannot be read; 3 no database of time zones.",
)
def alerts() -> None:
    """Print alert rules for Prometheus, about jobs and about the collectors, and who gets them.

    \b
    Examples:
      batchtel alerts rules --catalogue jobs.toml > alerts.yaml    the rule file
      batchtel alerts alertmanager > alertmanager.yaml             grouping, muting and receivers
      batchtel alerts list                                         what each alert means
    """
