"""Runs as tables and text for a terminal. Names, messages and log lines are foreign text: none changes the terminal."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from batchtel_dashboards.history.comparison import Row
from batchtel_dashboards.history.run import Attempt, Run, Step
from batchtel_dashboards.history.text import clock, line, lines, size, span
from batchtel_dashboards.stores import Record
from batchtel_stack.cli.listing import Listing

_COLOURS: Final = {
    "success": "green",
    **dict.fromkeys(("running", "retrying", "queued", "scheduled"), "blue"),
    **dict.fromkeys(("open", "never"), "yellow"),
    **dict.fromkeys(("cancelled", "skipped"), "dim"),
}
"""Status or state -> colour; all others are red."""

_WIDE: Final = 240
"""Columns where the output is no terminal: nothing is cut there."""

MOST_CANDIDATES: Final = 20
"""Runs that are listed where an id means several."""

_BAR: Final = 24
"""Columns of the chart of steps."""


def console() -> Console:
    """Return the standard output, for text that is neither markup nor emoji."""
    return Console(
        highlight=False,
        markup=False,
        emoji=False,
        width=None if sys.stdout.isatty() else max(_WIDE, shutil.get_terminal_size().columns),
    )


def listed(runs: Sequence[Run], now: float) -> Listing:
    """Return one row for each run."""
    made = Listing("JOB", "RUN", "STATUS", "STARTED", "DURATION", "RECORDS", "QUALITY", "ATTEMPTS", "ERROR")
    for run in runs:
        last = run.last
        made.add_row(
            line(run.identity.job),
            line(run.identity.run_id),
            status(run.status),
            clock(run.started, now),
            span(run.duration),
            _count(last.count("batch.records.processed")),
            _quality(last),
            str(run.tries),
            line(last.error),
        )
    return made


def candidates(runs: Sequence[Run], now: float) -> Table:
    """Return one row for each run that an id can mean."""
    made = table("JOB", "RUN", "SERVICE", "ENVIRONMENT", "STATUS", "STARTED")
    for run in runs[:MOST_CANDIDATES]:
        one = run.identity
        made.add_row(
            line(one.job),
            line(one.run_id),
            line(one.label),
            line(one.environment) or "-",
            status(run.status),
            clock(run.started, now),
        )
    return made


def shown(
    run: Run, lines_of_run: Sequence[Record], now: float, head: str, spans: str | None
) -> Iterator[Text | Table | Listing]:
    """Yield everything that is recorded of a run, with these log records under a heading, and where its spans are."""
    one = run.identity
    yield Text(line(f"run {one.run_id} of {one.job}"), style="bold")
    facts = Listing("", "")
    for name, text in _facts(run, now):
        facts.add_row(name, text)
    if spans is not None:
        facts.add_row("spans", Text(line(spans)))
    yield facts
    if len(run.attempts) > 1:
        yield _attempts(run.attempts, now)
    if run.steps:
        yield _steps(run.steps, now)
    if of_spark := [step for step in run.steps if step.text("spark.jobs")]:
        yield _spark(of_spark)
    for what, trace in run.errors():
        yield Text("\n".join([f"error of {line(what)}", *(f"  {one}" for one in lines(trace))]))
    if lines_of_run:
        yield Text("\n".join([head, *(f"  {_logged(record, now)}" for record in lines_of_run)]))


def compared(rows: Sequence[Row]) -> Table:
    """Return both runs side by side; a star marks what differs."""
    made = table("", "", "THIS RUN", "THE OTHER RUN")
    for row in rows:
        made.add_row("*" if row.differs else "", line(row.what), Text(line(row.this)), Text(line(row.other)))
    return made


def document(run: Run, records: Sequence[Record]) -> dict[str, Any]:
    """Return everything that is recorded of a run as one JSON object."""
    return run.document() | {
        "attempts": [_plain(one) | {"attempt": one.attempt} for one in run.attempts],
        "steps": [_plain(one) | {"step": one.name, "attempt": one.attempt} for one in run.steps],
        "log_records": [
            {"time": record.time, "line": record.line, "fields": dict(record.fields)} for record in records
        ],
    }


def _plain(one: Attempt | Step) -> dict[str, Any]:
    return {"status": one.status, "started": one.started, "duration": one.duration, "fields": dict(one.fields)}


def _facts(run: Run, now: float) -> Iterator[tuple[str, Text]]:
    one, last = run.identity, run.last
    yield "status", status(run.status)
    yield "service", Text(line(f"{one.label}, {one.environment}" if one.environment else one.label))
    yield "started", Text(f"{clock(run.started, now)}, {span(run.duration)}")
    processed, failed = last.count("batch.records.processed"), last.count("batch.records.failed")
    if processed is not None or failed is not None:
        yield "records", Text(f"{_count(processed)} processed, {_count(failed or 0)} failed")
    if last.text("batch.data_quality.score"):
        yield "quality", Text(_quality(last))
    for name, key in (("schema", "batch.schema.version"), ("exit code", "process.exit.code"), ("trace", "trace_id")):
        if last.text(key):
            yield name, Text(line(last.text(key)))
    for name, key in (("inputs", "batch.inputs"), ("outputs", "batch.outputs")):
        if last.text(key):
            yield name, Text(line(", ".join(last.texts(key))))
    if last.text("batch.sla.met"):
        broken = ", ".join(last.texts("batch.sla.violations"))
        yield "SLA", Text(f"violated: {line(broken)}" if broken else "kept")
    if last.error:
        yield "error", Text(line(last.error))


def _attempts(attempts: Sequence[Attempt], now: float) -> Listing:
    made = Listing("ATTEMPT", "STATUS", "STARTED", "DURATION", "ERROR")
    for one in attempts:
        cells = (clock(one.started, now), span(one.duration), line(one.error))
        made.add_row(str(one.attempt), status(one.status), *cells)
    return made


def _steps(steps: Sequence[Step], now: float) -> Listing:
    begin = min(step.started for step in steps)
    whole = max((step.end or now) for step in steps) - begin
    made = Listing("STEP", "ATTEMPT", "", "DURATION", "STATUS", "READ", "WRITTEN", "FAILED", "ERROR")
    for step in steps:
        counts = (_count(step.count(f"batch.records.{what}")) for what in ("read", "written", "failed"))
        bar = _bar(step.started - begin, step.duration or 0.0, whole)
        tries = f", try {line(step.text('batch.step.attempt'))}" if step.text("batch.step.attempt") else ""
        start = (line(step.name), f"{step.attempt}{tries}", bar, span(step.duration))
        made.add_row(*start, status(step.status), *counts, line(step.error))
    return made


def _spark(steps: Sequence[Step]) -> Listing:
    made = Listing("STEP", "SPARK'S JOBS", "STAGES", "TASKS", "FAILED TASKS", "SHUFFLE READ", "SPILLED TO DISK")
    for step in steps:
        keys = ("spark.jobs", "spark.stages", "spark.tasks.completed", "spark.tasks.failed")
        sizes = (step.count(key) for key in ("spark.shuffle.read.bytes", "spark.spill.disk.bytes"))
        made.add_row(line(step.name), *(_count(step.count(key)) for key in keys), *map(_size, sizes))
    return made


def _bar(after: float, long: float, whole: float) -> str:
    if whole <= 0:
        return "█"
    left = min(round(after / whole * _BAR), _BAR - 1)
    return " " * left + "█" * max(round(long / whole * _BAR), 1)


def _logged(record: Record, now: float) -> str:
    severity = record.fields.get("severity_text", "")
    return f"{clock(record.time / 1e9, now)} {severity:<7} " + "\n    ".join(lines(record.line) or [""])


_LONG: Final = ("THIS RUN", "THE OTHER RUN")
"""Columns that have more than one line where the terminal is narrow."""


def table(*columns: str) -> Table:
    """Return a table with these columns; without a header if they have no names."""
    made = Table(box=None, padding=(0, 3, 0, 0), header_style="bold", show_header=any(columns))
    for column in columns:
        made.add_column(column, no_wrap=column not in _LONG, overflow="fold")
    return made


def status(name: str) -> Text:
    """Return a status in its colour; its name is always there, too."""
    return Text(line(name), style=_COLOURS.get(name, "red"))


def _count(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"


def _size(number: int | None) -> str:
    return "-" if number is None else size(number)


def _quality(attempt: Attempt) -> str:
    score = attempt.number("batch.data_quality.score")
    return "-" if score is None else f"{score:.3f}".rstrip("0").rstrip(".")


def plain(content: object, *, indent: int | None = 2) -> str:
    """Return the JSON of `--json`."""
    return json.dumps(content, indent=indent, ensure_ascii=False)
