"""The commands `batchtel jobs list` and `show`: what each job does now, and how it did lately."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click
from rich.table import Table
from rich.text import Text

from batchtel.cli.main import Failure
from batchtel.cli.parameters import FilePath
from batchtel.schema import settings
from batchtel_dashboards.cli.catalogue import jobs_of, schedules
from batchtel_dashboards.history.job import JobState, about, states
from batchtel_dashboards.history.reader import History
from batchtel_dashboards.history.run import Run
from batchtel_dashboards.history.selection import LISTED, Selection
from batchtel_dashboards.history.text import LATEST, clock, line, span
from batchtel_dashboards.stores import Firing
from batchtel_dashboards.stores.errors import StoreError
from batchtel_stack.cli.listing import Listing
from batchtel_stack.cli.run_tables import console, listed, plain, status, table
from batchtel_stack.cli.store_options import Place, of_stores
from batchtel_stack.cli.which import Where, of_where
from batchtel_stack.failures import as_failures

NOT_THERE: Final = 1
"""Exit code where there is no such job."""

_TREND: Final = 30
"""Runs whose durations are shown as a trend."""

_LISTED: Final = 10
"""Runs that are listed below it."""

_BARS: Final = "▁▂▃▄▅▆▇█"

_CATALOGUE: Final = click.option(
    "--catalogue",
    type=FilePath(),
    metavar="FILE",
    help="The jobs.toml with what is expected; the file that BATCHTEL_CATALOGUE names if not given.",
)
_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")


@click.command("list", epilog="Exit codes: 0 ok; 2 wrong input; 3 Prometheus does not answer, or no time zones.")
@_CATALOGUE
@_JSON
@of_stores
@as_failures()
def list_jobs(place: Place, catalogue: Path | None, as_json: bool) -> None:
    """List each job with its state now, its last success, and its last 7 days: what needs a look comes first.

    With a catalogue each of its jobs is listed, also one that has never run, with when it is due next. A job is overdue
    where it has not succeeded for longer than its schedule and a grace allow, as in the alert BatchNotRunRecently.

    \b
    Examples:
      batchtel jobs list
      batchtel jobs list --catalogue jobs.toml
      batchtel jobs list --json | jq '.[] | select(.overdue) | .job'
    """
    now = time.time()
    rows = _states(place, catalogue, now)
    if as_json:
        click.echo(plain([row.document() for row in rows]))
        return
    if not rows:
        click.echo("no job has run as far as Prometheus reaches", err=True)
        return
    console().print(_listed(rows, now))


@click.command(
    "show", epilog="Exit codes: 0 ok; 1 no such job; 2 wrong input; 3 Prometheus does not answer, or no time zones."
)
@click.argument("job", metavar="JOB")
@of_where
@_CATALOGUE
@_JSON
@of_stores
@as_failures()
def show_job(place: Place, job: str, where: Where, catalogue: Path | None, as_json: bool) -> None:
    """Show a job with the alerts that fire for it, its trend and its last runs; in each service where it runs.

    \b
    Examples:
      batchtel jobs show nightly_etl
      batchtel jobs show nightly_etl --service shop/warehouse
      batchtel jobs show nightly_etl --json | jq '.runs[0]'
    """
    now = time.time()
    rows = [
        row
        for row in _states(place, catalogue, now, job)
        if where.service in (None, row.service) and where.environment in (None, row.environment)
    ]
    if not rows:
        _show_runs_alone(place, job, where, now, as_json)
        return
    firing, runs = _firing(place), _runs_of(place, rows, now)
    alerts = [[one for one in firing if about(one, row)] for row in rows]
    if as_json:
        content = {
            "states": [row.document() for row in rows],
            "alerts": [dict(one.labels) | dict(one.annotations) for of_row in alerts for one in of_row],
            "runs": [run.document() for of_row in runs for run in of_row],
        }
        click.echo(plain(content))
        return
    out = console()
    for number, (row, of_row, last) in enumerate(zip(rows, alerts, runs, strict=True)):
        out.print(*([""] if number else []), _facts(row, of_row, now), sep="\n", soft_wrap=True)
        if last:
            out.print("", _trend(last), "", listed(last[:_LISTED], now), sep="\n", soft_wrap=True)


def _show_runs_alone(place: Place, job: str, where: Where, now: float, as_json: bool) -> None:
    """Show the runs of a job whose series have ended; Failure if there are none."""
    history = History(place.stores.logs[0], place.stores.prometheus, place.engine)
    chosen = Selection(now - LISTED, LATEST, job, service=where.service, environment=where.environment)
    runs = history.runs(chosen, _TREND)
    if not runs:
        hint = "list jobs: batchtel jobs list"
        raise Failure(f"no job {job!r} has run{where}; {hint}", NOT_THERE)
    if as_json:
        click.echo(plain({"states": [], "alerts": [], "runs": [run.document() for run in runs]}))
        return
    click.echo(f"no metrics of {line(job)} are in Prometheus; its runs:", err=True)
    console().print(_trend(runs), "", listed(runs[:_LISTED], now), sep="\n", soft_wrap=True)


def _firing(place: Place) -> list[Firing]:
    try:
        return place.stores.prometheus.firing()
    except StoreError as error:
        click.echo(f"warning: its alerts are not shown: {error}", err=True)
        return []


def _runs_of(place: Place, rows: Sequence[JobState], now: float) -> list[list[Run]]:
    """Return the last runs of each job, newest first; none where the store of logs does not answer."""
    history = History(place.stores.logs[0], place.stores.prometheus, place.engine)
    try:
        return [
            history.runs(
                Selection(now - LISTED, LATEST, row.name, service=row.service, environment=row.environment),
                _TREND,
            )
            if row.since is not None
            else []
            for row in rows
        ]
    except StoreError as error:
        click.echo(f"warning: its runs are not shown: {error}", err=True)
        return [[] for _ in rows]


def _states(place: Place, catalogue: Path | None, now: float, name: str | None = None) -> list[JobState]:
    named = settings.read().catalogue
    file = catalogue or (Path(named) if named else None)
    with schedules(file):
        return states(place.stores.prometheus, place.engine, jobs_of(file), now, name)


def _listed(rows: Sequence[JobState], now: float) -> Table:
    made = table("JOB", "STATE", "LAST SUCCESS", "RUNNING", "RUNS 7D", "SUCCESS 7D", "MEDIAN 7D", "NEXT DUE", "SERVICE")
    for row in rows:
        where = f"{row.service}, {row.environment}" if row.environment else row.service
        made.add_row(
            line(row.name),
            status(row.state),
            _success(row, now),
            str(row.running),
            str(row.runs),
            _share(row.success_rate),
            span(row.median),
            _due(row, now),
            line(where) or "-",
        )
    return made


def _facts(row: JobState, firing: Sequence[Firing], now: float) -> Listing:
    made = Listing("", "")
    made.add_row("job", Text(line(row.name), style="bold"))
    made.add_row("state", status(row.state))
    for name, text in _texts(row, now):
        made.add_row(name, text)
    for one in firing:
        made.add_row("alert", Text(line(f"{one.alert}: {one.annotations.get('summary', '')}"), style="red"))
    return made


def _texts(row: JobState, now: float) -> Iterator[tuple[str, Text | str]]:
    if row.service:
        yield "service", line(f"{row.service}, {row.environment}" if row.environment else row.service)
    if row.owner:
        yield "owner", line(row.owner)
    if row.since is not None:
        yield "since", clock(row.since, now)
    yield "last success", _success(row, now)
    yield "running now", str(row.running)
    ended = "1 run" if row.runs == 1 else f"{row.runs} runs"
    yield "7 days", f"{ended} ended, {_share(row.success_rate)} succeeded, median {span(row.median)}"
    yield "next due", _due(row, now)


def _trend(runs: Sequence[Run]) -> Text:
    """Return the durations of runs, the oldest first, as bars of which those that did not succeed are red."""
    ended = [run for run in reversed(runs) if run.duration is not None]
    longest = max((run.duration or 0.0 for run in ended), default=0.0) or 1.0
    text = Text("durations  ")
    for run in ended:
        bar = _BARS[min(int((run.duration or 0.0) / longest * len(_BARS)), len(_BARS) - 1)]
        text.append(bar, style="green" if run.status == "success" else "red")
    return text.append(f"  longest {span(longest)}; red: did not succeed")


def _success(row: JobState, now: float) -> Text:
    text = "never" if row.last_success is None else f"{span(max(now - row.last_success, 0.0))} ago"
    return Text(f"{text}, OVERDUE" if row.overdue else text, style="red" if row.overdue else "")


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _due(row: JobState, now: float) -> str:
    if row.paused:
        return "paused"
    return "-" if row.next_due is None else clock(row.next_due, now)
