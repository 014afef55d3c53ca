"""`batchtel dashboards`: write the boards for Grafana, publish them, and check boards by batchtel's rules."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

import click

from batchtel.cli.main import Failure
from batchtel_dashboards.boards import check as rules_of_boards
from batchtel_dashboards.boards import provisioning, publication, query_rules, shipped
from batchtel_dashboards.boards.grafana import TOKEN, Grafana, GrafanaError, Kind
from batchtel_dashboards.cli.parameters import AGGREGATION

_EXIT: Final[dict[Kind, int]] = {"refused": 1, "input": 2, "unreachable": 3}


@click.command(
    epilog="Exit codes: 0 ok; 2 wrong input, or the folder cannot be written.",
)
@click.option(
    "--output",
    "output",
    required=True,
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Where to write; it is created if it does not exist.",
)
@AGGREGATION
@click.option(
    "--stores",
    type=click.Choice(sorted(provisioning.STORES)),
    default="loki-tempo",
    show_default=True,
    help="The stores of logs and traces that the data sources are for.",
)
def build(output: Path, aggregation: str, stores: str) -> None:
    """Write the boards and the provisioning files of Grafana to a folder.

    Boards are written to FOLDER/boards, the provisioning files to FOLDER/provisioning. The data sources read the
    addresses of their stores from variables of Grafana's environment, such as BATCHTEL_PROMETHEUS_URL.

    \b
    Examples:
      batchtel dashboards build --output /etc/batchtel/grafana
      batchtel dashboards build --output ./grafana --aggregation stock --stores victorialogs-jaeger
    """
    place = output.absolute()
    files = {place / "boards" / f"{uid}.json": text for uid, text in shipped.texts(aggregation).items()}
    inside = place / "provisioning"
    files[inside / "dashboards" / "batchtel.yaml"] = provisioning.provider(place / "boards")
    files[inside / "datasources" / "batchtel.yaml"] = provisioning.sources(stores)
    for file, text in files.items():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise Failure(f"cannot write {file}: {error.strerror}; name another folder with --output", 2) from None
        click.echo(str(file))


@click.command(
    epilog="Exit codes: 0 ok; 1 a board breaks a rule; 2 the folder has no boards, or a file cannot be read.",
)
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@AGGREGATION
def check(folder: Path | None, aggregation: str) -> None:
    """Check the shipped boards, or those in FOLDER, and print every problem.

    Rules: the uid is the name of the file; panels are within the 24 columns and do not overlap; each has a title, a
    unit, thresholds, and a description; links lead to boards and variables that exist, and encode what they pass;
    data sources exist, and every variable is used; no panel shows 0 where there is no data, and no query adds
    quantiles up, or reads a run id from a metric. PromQL is parsed if the package promql-parser is installed.

    \b
    Examples:
      batchtel dashboards check
      batchtel dashboards check ./grafana/boards
    """
    place = folder or shipped.folder(aggregation)
    try:
        texts = shipped.read(place)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "a file is not UTF-8 text"
        raise Failure(f"cannot read the boards in {place}: {reason}", 2) from None
    if not texts:
        raise Failure(f"{place} has no *.json; to write the boards there: batchtel dashboards build --output FOLDER", 2)
    found = rules_of_boards.problems(texts)
    for problem in found:
        click.echo(problem)
    if not query_rules.PARSED:
        click.echo("PromQL is not parsed, because promql-parser is not installed: pip install promql-parser", err=True)
    if found:
        count = f"{len(found)} problem{'' if len(found) == 1 else 's'}"
        raise Failure(f"{count} in the boards in {place}; correct what is listed above", 1)
    click.echo(f"{len(texts)} boards in {place}: no problem")


@click.command(
    epilog="Exit codes: 0 ok, also of a dry run that finds differences; 1 Grafana refuses the folder or a board; 2 the "
    "address or the token is wrong; 3 Grafana cannot be reached."
)
@click.option("--url", required=True, metavar="URL", help="Address of Grafana, with its sub-path if it has one.")
@click.option(
    "--folder",
    "title",
    default=provisioning.FOLDER,
    show_default=True,
    metavar="NAME",
    help="Folder at the top level of Grafana; it is created if it does not exist.",
)
@click.option("--dry-run", is_flag=True, help="Send nothing; show what would be created and changed.")
@AGGREGATION
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
def publish(url: str, title: str, dry_run: bool, aggregation: str, as_json: bool) -> None:
    """Publish the boards to a Grafana by its HTTP API.

    A board that Grafana has with the same content in the same folder is left as it is; another one with the same uid
    is overwritten. The token of a service account with the role Editor is read from BATCHTEL_GRAFANA_TOKEN.

    \b
    Examples:
      batchtel dashboards publish --url https://example.com/grafana --dry-run
      batchtel dashboards publish --url https://example.com/grafana --folder Batch
      batchtel dashboards publish --url http://127.0.0.1:3000 --aggregation stock --json
    """
    texts = shipped.texts(aggregation)
    found: list[publication.Outcome] = []
    try:
        grafana = Grafana(url, os.environ.get(TOKEN, "").strip())
        folder = publication.folder(grafana, title, dry_run=dry_run)
        for one in publication.outcomes(grafana, texts, folder, dry_run=dry_run):
            found.append(one)
            if not as_json:
                click.echo(f"{one.uid:<24} {one.state}")
                click.echo(f"{one.difference}\n" if dry_run and one.difference else "", nl=False)
    except GrafanaError as error:
        raise Failure(str(error), _EXIT[error.kind]) from None
    if as_json:
        click.echo(json.dumps(_document(grafana, folder, found, dry_run=dry_run), indent=2))
    else:
        click.echo(_summary(grafana, folder, found, dry_run=dry_run))
    errors = [one.error for one in found if one.error]
    if errors:
        left = [f"{len(texts) - len(found)} boards were not tried"] if len(found) < len(texts) else []
        raise Failure("\n".join([*map(str, errors), *left]), max(_EXIT[error.kind] for error in errors))


def _summary(grafana: Grafana, folder: publication.Folder, found: list[publication.Outcome], *, dry_run: bool) -> str:
    states = [one.state for one in found]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    new = " (new)" if folder.created else ""
    done = "nothing was sent: " if dry_run else ""
    return f"{done}{counts} in the folder {folder.title}{new} of {grafana.url}"


def _document(
    grafana: Grafana, folder: publication.Folder, found: list[publication.Outcome], *, dry_run: bool
) -> dict[str, object]:
    boards = [
        {
            "uid": one.uid,
            "state": one.state,
            "difference": one.difference,
            "error": str(one.error) if one.error else None,
        }
        for one in found
    ]
    place = {"title": folder.title, "uid": folder.uid, "created": folder.created}
    return {"url": grafana.url, "dry_run": dry_run, "folder": place, "boards": boards}
