"""The report of the demo, as tables and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from batchtel_dashboards.stores import Firing, Record, Span
from batchtel_stack.demo.compare import Comparison, Row
from batchtel_stack.demo.one_run import OneRun
from batchtel_stack.demo.play import Outcome, Series

_LINES: Final = 12
_WHAT_WIDTH: Final = 27


def document(outcome: Outcome) -> dict[str, Any]:
    """Return the document of `--json`."""
    series = outcome.series
    return {
        "ok": outcome.ok,
        "scenarios": [
            {
                "name": one.scenario.name,
                "ok": one.ok,
                "expected": one.expected,
                "observed": {product.lower(): quantities for product, quantities in one.observed.items()},
            }
            for one in outcome.comparisons
        ],
        "series": series and {"before": series.before, "after": series.after, "with_run_id": series.with_run_id},
        "runs": [
            {
                "ok": run.ok,
                "logs": run.logs.lower(),
                "traces": run.traces.lower(),
                "run_id": run.run_id,
                "trace_id": run.trace_id,
                "records": len(run.records),
                "spans": len(run.spans),
            }
            for run in outcome.runs
        ],
    }


def show(outcome: Outcome, console: Console) -> None:
    """Print tables, the series and one run in full."""
    for one in outcome.comparisons:
        console.print(_table(one))
        if len(one.scenario.jobs) > 1:
            for row in one.rows():
                if not row.equal:
                    console.print(f"  {row.job}, {row.name}: {_values(row)}", style="red", highlight=False)
        console.print()
    if outcome.series is not None:
        _show_series(outcome.series, console)
    for run in outcome.runs:
        _show_run(run, console)


def alerts(firing: Sequence[Firing]) -> list[str]:
    """Return lines about the alerts that fire: which, about which job, and why."""
    if not firing:
        return ["no alert fires"]
    ordered = sorted(firing, key=lambda one: (one.alert, one.labels.get("job_name", "")))
    whys = [(one, one.annotations.get("summary", ""), one.annotations.get("description", "")) for one in ordered]
    return ["these alerts fire:", *(f"  {one.alert}: {summary}. {description}" for one, summary, description in whys)]


def verdict(outcome: Outcome) -> str:
    """Return the last line."""
    if outcome.ok:
        return f"{_listed(outcome.products)} are equal to the ledger of the jobs."
    differing = [one.scenario.name for one in outcome.comparisons if not one.ok]
    if outcome.series is not None and not outcome.series.ok:
        differing.append("series")
    if not all(run.ok for run in outcome.runs):
        differing.append("the run in full")
    return f"DIFFERS: {', '.join(differing)}."


def _table(comparison: Comparison) -> Table:
    scenario = comparison.scenario
    jobs = f"{len(scenario.jobs)} jobs together" if len(scenario.jobs) > 1 else scenario.jobs[0]
    table = _plain_table(f"{scenario.name}: {scenario.title} ({jobs})")
    table.add_column("what", min_width=_WHAT_WIDTH)
    for column in ("happened", *comparison.observed):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("equal", no_wrap=True)
    for row in _together(comparison.rows()):
        values = [_number(row.observed[store]) if store in row.observed else "-" for store in comparison.observed]
        style = None if row.equal else "bold red"
        table.add_row(row.name, _number(row.expected), *values, "yes" if row.equal else "NO", style=style)
    return table


def _plain_table(title: str) -> Table:
    # No frame and little padding: with them the table is wider than a terminal of 80 columns.
    return Table(title=title, title_justify="left", title_style="bold", header_style="", box=None, padding=(0, 2, 0, 0))


def _together(rows: Iterable[Row]) -> list[Row]:
    """Add up the jobs of a scenario, so that it fits on a screen; each job was compared separately."""
    sums: dict[str, Row] = {}
    for row in rows:
        so_far = sums.get(row.name)
        if so_far is None:
            sums[row.name] = Row("", row.name, row.expected, row.observed)
        else:
            observed = {store: so_far.observed[store] + amount for store, amount in row.observed.items()}
            sums[row.name] = Row("", row.name, so_far.expected + row.expected, observed)
    shown = [row for row in sums.values() if row.expected or any(row.observed.values()) or row.name == "processed"]
    return sorted(shown, key=lambda row: ": " in row.name)  # the run before its steps


def _values(row: Row) -> str:
    observed = ", ".join(f"{store} has {_number(amount)}" for store, amount in row.observed.items())
    return f"{_number(row.expected)} happened, {observed}"


def _show_series(series: Series, console: Console) -> None:
    table = _plain_table("series: bounded by jobs, steps and statuses")
    table.add_column("what", min_width=_WHAT_WIDTH)
    table.add_column("series", justify="right")
    table.add_row("after each job has ended in each way", str(series.before))
    table.add_row("after all runs", str(series.after), style=None if series.after == series.before else "bold red")
    table.add_row("with a run id in any label", str(series.with_run_id), style="bold red" if series.with_run_id else "")
    console.print(table)
    console.print()


def _show_run(run: OneRun, console: Console) -> None:
    tree = Tree(f"[bold]run {run.run_id} in full[/bold], by its id", highlight=False)
    records = tree.add(f"{run.logs}, {len(run.records)} records")
    for record in run.records[: _LINES // 2]:
        records.add(_line(record))
    if len(run.records) > _LINES:
        records.add(f"... {len(run.records) - _LINES} more ...")
    for record in run.records[max(_LINES // 2, len(run.records) - _LINES // 2) :]:
        records.add(_line(record))
    spans = tree.add(f"{run.traces}, trace {run.trace_id}")
    branches: dict[str, Tree] = {}
    for span in run.spans:
        branches[span.span_id] = branches.get(span.parent_id, spans).add(_span(span))
    console.print(tree)
    console.print()


def _line(record: Record) -> Text:
    moment = datetime.fromtimestamp(record.time / 1e9, UTC).strftime("%H:%M:%S.%f")[:-3]
    # As Text: rich would parse [...] in a job's message as its own markup.
    return Text(f"{moment} {record.line}")


def _span(span: Span) -> Text:
    facts = [
        f"{key.removeprefix('batch.')}={span.attributes[key]}"
        for key in sorted(span.attributes)
        if key.startswith(("batch.records", "batch.data_quality", "batch.schema", "batch.status", "error.type"))
    ]
    return Text(f"{span.name} {(span.end - span.start) / 1e6:.0f} ms, {', '.join(facts)}")


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _number(amount: float) -> str:
    return f"{amount:,.0f}" if amount == int(amount) else f"{amount:.4f}"
