"""The commands `batchtel alerts rules` and `list`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from batchtel.catalogue.reader import CatalogueError, read
from batchtel.catalogue.zones import NoZonesError
from batchtel.cli.main import Failure
from batchtel.cli.parameters import FilePath
from batchtel_dashboards.alerts import expected, links, rule_file
from batchtel_dashboards.alerts.alert import Jobs
from batchtel_dashboards.alerts.links import Links
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
def rules(catalogue: Path | None, aggregation: str, runbooks: str, grafana: str) -> None:
    """Print the alert rules, a rule file of Prometheus.

    \b
    Examples:
      batchtel alerts rules --catalogue jobs.toml > alerts.yaml
      batchtel alerts rules --aggregation stock --runbooks https://example.com/runbooks
      batchtel alerts rules --catalogue jobs.toml --grafana https://grafana.example.com
    """
    leads = Links(runbooks.rstrip("/"), grafana.rstrip("/"))
    click.echo(rule_file.text(_jobs(catalogue), aggregation, leads), nl=False)


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
    if path is None:
        return ()
    try:
        return expected.jobs(read(path))
    except CatalogueError as wrong:
        raise Failure(f"the catalogue {path} has {wrong}; list them: batchtel jobs check {path}", 2) from None
    except OSError as error:
        hint = "; begin one with `batchtel jobs init`" if isinstance(error, FileNotFoundError) else ""
        raise Failure(f"cannot read the catalogue {path}: {error.strerror}{hint}", 2) from None
    except NoZonesError as error:
        raise Failure(f"cannot compute the schedules of {path}: {error}", 3) from None
