"""`batchtel dashboards`: write the boards for Grafana, and check boards by batchtel's rules."""

from __future__ import annotations

from pathlib import Path

import click

from batchtel.cli.main import Failure
from batchtel_dashboards.boards import check as rules_of_boards
from batchtel_dashboards.boards import provisioning, shipped
from batchtel_dashboards.cli.parameters import AGGREGATION


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
    unit, thresholds, and a description; links lead to boards and variables that exist; no query shows 0 where
    there is no data, adds quantiles up, or reads a run id from a metric.

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
    if found:
        count = f"{len(found)} problem{'' if len(found) == 1 else 's'}"
        raise Failure(f"{count} in the boards in {place}; correct what is listed above", 1)
    click.echo(f"{len(texts)} boards in {place}: no problem")
