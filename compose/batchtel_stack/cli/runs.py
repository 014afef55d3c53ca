"""The commands `batchtel runs list`, `show` and `compare`."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import click

from batchtel.cli.main import Failure
from batchtel.schema import signals
from batchtel_dashboards.history import comparison
from batchtel_dashboards.history.follow import Line, follow
from batchtel_dashboards.history.reader import MOST, History
from batchtel_dashboards.history.run import LOST, OPEN, RUNNING, Run
from batchtel_dashboards.history.selection import Selection, default_since
from batchtel_dashboards.history.text import LATEST, MomentError, between, clock, line, moment, span
from batchtel_stack.cli import run_tables as tables
from batchtel_stack.cli.store_options import Place, of_stores
from batchtel_stack.cli.which import Where, of_where
from batchtel_stack.failures import as_failures

_F = TypeVar("_F", bound=Callable[..., Any])

NOT_THERE: Final = 1
"""Exit code where no run, or more than one, is meant."""

_LINES: Final = 20
"""Log records that are shown if not all are."""

_ENDS: Final = (
    "Exit codes: 0 ok; 1 no such run, or the id means several; 2 wrong input; 3 the store of logs does not answer."
)
_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")

_JOB: Final = click.option("--job", metavar="NAME", help="Only runs of this job.")


@contextmanager
def _times() -> Iterator[None]:
    try:
        yield
    except MomentError as error:
        raise Failure(str(error), 2) from None


def _since(default: str) -> Callable[[_F], _F]:
    text = "Runs that started or ended since then: 90m, 2h, 7d, or a time such as 2026-11-29T02:00."
    return click.option("--since", default=default, show_default=True, metavar="TIME", help=text)


@click.command("list", epilog="Exit codes: 0 ok; 2 wrong input; 3 the store of logs does not answer.")
@_JOB
@of_where
@click.option(
    "--status",
    type=click.Choice(list(dict.fromkeys((RUNNING, *signals.STATUSES, LOST, OPEN)))),
    help="Only runs with this status of the last attempt.",
)
@click.option(
    "--since",
    metavar="TIME",
    help="Runs that started or ended since then: 90m, 2h, 7d, or a time such as 2026-11-29T02:00; 24h if not given, "
    "35d with --status running or open.",
)
@click.option("--until", metavar="TIME", help="Runs that started until then; now if not given.")
@click.option("--run-id", "run_begins", metavar="ID", help="Only runs whose id is this, or begins so.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=30,
    show_default=True,
    metavar="COUNT",
    help="The newest so many.",
)
@click.option("--follow", "-f", "following", is_flag=True, help="Show runs as they start and end, until Ctrl-C.")
@_JSON
@of_stores
@as_failures()
def list_runs(
    place: Place,
    job: str | None,
    where: Where,
    status: str | None,
    since: str | None,
    until: str | None,
    run_begins: str | None,
    limit: int,
    following: bool,
    as_json: bool,
) -> None:
    """List runs, the newest first.

    The status `running` or `lost` of a run without an end is that of its job's heartbeats; `open` is one for which
    Prometheus does not answer.

    \b
    Examples:
      batchtel runs list
      batchtel runs list --job nightly_etl --since 7d
      batchtel runs list --status failure --json | jq '.[].error'
      batchtel runs list --follow
    """
    now = time.time()
    with _times():
        first, last = between(since or default_since(status), until or "", now)
    selection = Selection(first, last, job, run_begins, status, *where)
    history = _history(place)
    if following:
        _follow(history, selection, as_json)
        return
    runs = history.runs(selection, limit)
    if as_json:
        click.echo(tables.plain([run.document() for run in runs]))
        return
    if not runs:
        ending = f" and until {clock(selection.until, now)}" if until else ""
        click.echo(
            f"no run started or ended since {clock(selection.since, now)}{ending} in {history.logs.product}", err=True
        )
        return
    tables.console().print(tables.listed(runs, now), soft_wrap=True)
    if any(run.status == OPEN for run in runs):
        click.echo("open: no end is recorded, and Prometheus does not answer whether the run is alive", err=True)


@click.command(epilog=_ENDS)
@click.argument("run_id", metavar="RUN")
@_JOB
@of_where
@_since("400d")
@click.option("--logs", "all_lines", is_flag=True, help="Print all log records, not the last 20.")
@_JSON
@of_stores
@as_failures()
def show(place: Place, run_id: str, job: str | None, where: Where, since: str, all_lines: bool, as_json: bool) -> None:
    """Show a run: attempts, steps, records, quality, SLA, error with stack trace, log records.

    RUN may be the beginning of an id. Where it means several runs, they are listed.

    \b
    Examples:
      batchtel runs show 01a22867-8337
      batchtel runs show scheduled__2026-11-29T00:00:00+00:00 --job nightly_etl
      batchtel runs show 01a22867-8337 --logs
      batchtel runs show 01a22867-8337 --json | jq .steps
    """
    history, now = _history(place), time.time()
    found = _one(history, run_id, _selection(job, where, since, now), now, as_json)
    run, events = history.whole(found)
    lines = history.lines(found, MOST if all_lines or as_json else _LINES)
    trace_id = run.last.text("trace_id")
    spans = place.stores.traces[0].address(trace_id) if trace_id else None
    if len(lines) == MOST:
        click.echo(f"warning: these are its {MOST:,} newest log records, there may be more", err=True)
    if as_json:
        records = sorted([*events, *lines], key=lambda record: record.time)
        click.echo(tables.plain(tables.document(run, records) | {"spans": spans}))
        return
    console = tables.console()
    head = "log records" if all_lines or len(lines) < _LINES else f"the last {_LINES} log records; all: --logs"
    for number, part in enumerate(tables.shown(run, lines, now, head, spans)):
        if number > 1:
            console.print()
        console.print(part, soft_wrap=True)


@click.command(epilog=_ENDS)
@click.argument("run_id", metavar="RUN")
@click.argument("other", metavar="[OTHER]", required=False)
@_JOB
@of_where
@_since("400d")
@_JSON
@of_stores
@as_failures()
def compare(
    place: Place, run_id: str, other: str | None, job: str | None, where: Where, since: str, as_json: bool
) -> None:
    """Compare a run with another one: what was different this time.

    OTHER is the last run of the same job that succeeded before, if it is not given. A star marks what differs:
    a status, an error, twice as long or as many, none instead of some.

    \b
    Examples:
      batchtel runs compare 01a22867-8337
      batchtel runs compare 01a22867-8337 01a22867-80b3
    """
    history, now = _history(place), time.time()
    selection = _selection(job, where, since, now)
    this = _one(history, run_id, selection, now, as_json)
    if other is not None:
        two = _one(history, other, selection, now, as_json)
    else:
        two = _last_success(history, this, selection.since)
    (whole, _), (second, _) = (history.whole(run) for run in (this, two))
    if as_json:
        click.echo(tables.plain(comparison.document(whole, second)))
        return
    rows = comparison.rows(whole, second)
    for name, run in (("this run ", whole), ("other run", second)):
        one = run.identity
        click.echo(line(f"{name}  {one.run_id} of {one.job}, {clock(run.started, now)}"))
    click.echo()
    tables.console().print(tables.compared(rows))
    click.echo(f"\n{comparison.first(rows)}")


def _history(place: Place) -> History:
    return History(place.stores.logs[0], place.stores.prometheus, place.engine)


def _one(history: History, run_id: str, selection: Selection, now: float, as_json: bool) -> Run:
    found = history.candidates(selection, run_id)
    if not found:
        hint = "list runs: batchtel runs list"
        raise Failure(
            f"{history.logs.product} has no run {run_id!r} since {clock(selection.since, now)}; {hint}", NOT_THERE
        )
    if len(found) > 1:
        if as_json:
            click.echo(tables.plain([run.document() for run in found]))
        else:
            tables.console().print(tables.candidates(found, now))
        raise Failure(
            f"{run_id!r} means {len(found)} runs, of which the newest are listed; write more of the id, or add "
            "--job, --service or --deployment-environment",
            NOT_THERE,
        )
    return found[0]


def _selection(job: str | None, where: Where, since: str, now: float) -> Selection:
    with _times():
        first = moment(since, now)
    return Selection(first, LATEST, job, service=where.service, environment=where.environment)


def _last_success(history: History, run: Run, since: float) -> Run:
    found = history.last_success(run, since)
    if found is None:
        one = run.identity
        hint = f"name another run: batchtel runs compare {one.run_id} OTHER"
        raise Failure(f"no run of {one.job} succeeded before this one; {hint}", NOT_THERE)
    return found


def _follow(history: History, selection: Selection, as_json: bool) -> None:
    try:
        lines = follow(history, dataclasses.replace(selection, until=float("inf")))
        click.echo("runs as they start and end, until Ctrl-C", err=True)
        for one in lines:
            click.echo(tables.plain(one.run.document(), indent=None) if as_json else _line(one))
    except KeyboardInterrupt:
        return


def _line(one: Line) -> str:
    run, moment_ = one.run.identity, clock(one.time, time.time())
    text = f"{moment_} {one.what:<8} {run.job} {run.run_id}"
    if one.what != "started":
        text += f" {span(one.run.duration)} {one.run.last.error}"
    return line(text)
