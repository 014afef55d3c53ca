"""The commands `batchtel alerts rules`, `alertmanager` and `list`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from batchtel.cli.main import Failure
from batchtel.cli.parameters import FilePath
from batchtel_dashboards.alerts import alertmanager as configuration
from batchtel_dashboards.alerts import expected, links, prometheus_rule, rule_file
from batchtel_dashboards.alerts.alert import Jobs
from batchtel_dashboards.alerts.links import Links
from batchtel_dashboards.alerts.receivers import KINDS, Receivers
from batchtel_dashboards.cli.catalogue import jobs_of, schedules
from batchtel_dashboards.cli.parameters import AGGREGATION


@click.command(epilog="Exit codes: 0 ok; 2 the catalogue has problems or cannot be read; 3 no database of time zones.")
@click.option(
    "--catalogue",
    type=FilePath(),
    metavar="FILE",
    help="The jobs.toml with schedules, limits, owners and teams; none if not given.",
)
@AGGREGATION
@click.option(
    "--runbooks",
    default=links.RUNBOOKS,
    show_default=True,
    metavar="URL",
    help="Address of the folder of runbooks.",
)
@click.option(
    "--grafana",
    default="",
    metavar="URL",
    help="Address of the Grafana that has the boards: alerts lead to the board of their job.",
)
@click.option("--ui", default="", metavar="URL", help="Address of `batchtel ui`: alerts lead to the page of their job.")
@click.option(
    "--format",
    "form",
    type=click.Choice(("prometheus", "kubernetes")),
    default="prometheus",
    show_default=True,
    help="A rule file, or resources PrometheusRule, with stock the recording rules among them.",
)
def rules(catalogue: Path | None, aggregation: str, runbooks: str, grafana: str, ui: str, form: str) -> None:
    """Print the alert rules, a rule file of Prometheus.

    \b
    Examples:
      batchtel alerts rules --catalogue jobs.toml > alerts.yaml
      batchtel alerts rules --aggregation stock --runbooks https://example.com/runbooks
      batchtel alerts rules --catalogue jobs.toml --grafana https://grafana.example.com
      batchtel alerts rules --format kubernetes | kubectl apply --server-side --filename -
    """
    leads = Links(*(address.rstrip("/") for address in (runbooks, grafana, ui)))
    written = prometheus_rule if form == "kubernetes" else rule_file
    click.echo(written.text(_jobs(catalogue), aggregation, leads), nl=False)


@click.command(
    epilog="Exit codes: 0 ok; 2 the catalogue has problems or cannot be read, or an option is missing; "
    "3 no database of time zones."
)
@click.option("--catalogue", type=FilePath(), metavar="FILE", help="The jobs.toml with teams; none if not given.")
@click.option(
    "--critical",
    type=click.Choice(KINDS),
    multiple=True,
    default=Receivers().critical,
    show_default=True,
    help="Where critical alerts go; repeatable.",
)
@click.option(
    "--warning",
    type=click.Choice(KINDS),
    multiple=True,
    default=Receivers().warning,
    show_default=True,
    help="Where all other alerts go; repeatable.",
)
@click.option(
    "--rest",
    default="platform",
    show_default=True,
    metavar="TEAM",
    help="Team for alerts about collectors, and about jobs without a team.",
)
@click.option(
    "--secrets",
    default=Receivers().secrets,
    show_default=True,
    metavar="FOLDER",
    help="Folder of the files TEAM-KIND, each with a key or an address, where Alertmanager runs.",
)
@click.option("--mail-domain", default="", metavar="DOMAIN", help="Mail goes to TEAM@DOMAIN, by smtp.DOMAIN.")
def alertmanager(
    catalogue: Path | None,
    critical: tuple[str, ...],
    warning: tuple[str, ...],
    rest: str,
    secrets: str,
    mail_domain: str,
) -> None:
    """Print the configuration of Alertmanager: what is grouped, what mutes what, and which team gets it.

    \b
    Examples:
      batchtel alerts alertmanager --catalogue jobs.toml > alertmanager.yaml
      batchtel alerts alertmanager --critical pagerduty --warning email --mail-domain example.com
    """
    if "email" in (*critical, *warning) and not mail_domain:
        raise Failure("email needs the domain of the teams' addresses; add for example --mail-domain example.com", 2)
    teams = [job.team for job in _jobs(catalogue) if job.team]
    where = Receivers(critical, warning, secrets.rstrip("/"), mail_domain)
    click.echo(configuration.text(teams, rest, where), nl=False)


@click.command("list", epilog="Exit codes: 0 ok.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
def list_alerts(as_json: bool) -> None:
    """List each alert, its severity and its meaning.

    \b
    Examples:
      batchtel alerts list
      batchtel alerts list --json | jq '.[].name'
    """
    rows = [{"name": one.name, "severity": one.severity, "meaning": one.meaning} for one in rule_file.ALERTS]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(f"{row['name']:<22} {row['severity']:<9} {row['meaning']}")


def _jobs(path: Path | None) -> Jobs:
    with schedules(path):
        return expected.jobs(jobs_of(path))
