"""The board of one run, for any stores of logs and traces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from batchtel_dashboards.boards import variables
from batchtel_dashboards.boards.board import Board, Section
from batchtel_dashboards.boards.detail_panels import Field, events, lines, spans
from batchtel_dashboards.boards.panels import Link, Text
from batchtel_dashboards.boards.sources import JAEGER, PROMETHEUS, Source
from batchtel_dashboards.detail_queries import RUN_FINISHED, SERVICE, SPARK, STEP_FINISHED

Content = Mapping[str, Any]


@dataclass(frozen=True)
class Stores:
    """Two stores, and how they are queried.

    Attributes:
        logs: the store of logs.
        traces: the store of traces.
        records: the query of log records, such as detail_queries.logql().
        errors: the query of errors with their stack traces.
        asked: a query of log records as it is in the JSON of a board.
        trace: the query of the trace, as it is there.
        field: the name of an attribute in the store of logs.
    """

    logs: Source
    traces: Source
    records: Callable[..., str]
    errors: str
    asked: Callable[[str], Content]
    trace: Content
    field: Callable[[str], str]


def of_run(uid: str, stores: Stores) -> Board:
    """Return the board."""
    job = (variables.to_board("Job", "batch-job"),)
    here = variables.to_board("This run", uid, variables.ROW, ("environment", "service", "job"), run=variables.VALUE)
    chosen: list[Any] = [variables.text("run", "Run id", "Id of a run; choose one in the table of runs.")]
    if stores.traces is JAEGER:
        chosen += [variables.service_name(one=True), variables.environment_tag()]
    else:
        chosen.append(variables.service_name(one=False))
    return Board(
        title=f"Batch: run ({stores.logs.name}, {stores.traces.name})",
        description="What happened in this run? Choose a job, then a run in the first table.",
        sources=(PROMETHEUS, stores.logs, stores.traces),
        variables=(variables.environment(), variables.service(), variables.job(), *chosen),
        sections=(
            Section("Runs of the job", [_runs(stores, here, job)]),
            Section(
                "The run", [_finished(stores, job), _steps(stores, job), _spark(stores, job), _errors(stores, job)]
            ),
            Section("Trace and logs", [_trace(stores, job), _records(stores, job)]),
        ),
        span="7d",
    )


_Links = tuple[Link, ...]


def _runs(stores: Stores, here: Link, links: _Links) -> Any:
    fields = [
        Field("batch.run.id", "run id"),
        Field("batch.status", "status"),
        Field("batch.duration", "duration", "s"),
        Field("batch.records.processed", "records", "none"),
        Field("batch.run.attempt", "attempt", "none"),
        Field("error.type", "error"),
        Field("deployment.environment.name", "environment"),
        Field(SERVICE, "service"),
        Field("batch.job.name", "job"),
    ]
    text = Text(
        "Runs that ended",
        "The last runs of the selected jobs, one row for each attempt that ended. The link of a run id shows that run "
        "below. A run that was killed has no row: it has started and not ended.",
        links,
    )
    return events(
        text, stores.logs, stores.asked(stores.records(RUN_FINISHED, one=False)), _named(stores, fields), link=here
    )


def _finished(stores: Stores, links: _Links) -> Any:
    fields = [
        Field("batch.status", "status"),
        Field("batch.status.reason", "reason"),
        Field("batch.run.attempt", "attempt", "none"),
        Field("batch.duration", "duration", "s"),
        Field("batch.records.processed", "processed", "none"),
        Field("batch.records.failed", "failed", "none"),
        Field("batch.data_quality.score", "quality", "percentunit"),
        Field("batch.schema.version", "schema version"),
        Field("batch.sla.violations", "SLA violations"),
    ]
    text = Text(
        "Status, attempts, records, quality, schema",
        "The audit record of the run, one row for each attempt; the last row is how it ended. Empty fields are what "
        "the job does not report. No row: the run still runs, was killed, or the id or the time is wrong.",
        links,
    )
    return events(text, stores.logs, stores.asked(stores.records(RUN_FINISHED)), _named(stores, fields))


def _steps(stores: Stores, links: _Links) -> Any:
    fields = [
        Field("batch.step.name", "step"),
        Field("batch.status", "status"),
        Field("batch.duration", "duration", "s"),
        Field("batch.records.read", "read", "none"),
        Field("batch.records.written", "written", "none"),
        Field("batch.records.failed", "failed", "none"),
        Field("error.type", "error"),
    ]
    text = Text(
        "Steps",
        "Each step that ended, in the order of their ends. Records that one step writes and the next does not read, "
        "or a step that is missing, are where to look. A step that was running when the run was killed has no row.",
        links,
    )
    return events(text, stores.logs, stores.asked(stores.records(STEP_FINISHED)), _named(stores, fields))


def _spark(stores: Stores, links: _Links) -> Any:
    fields = [
        Field("batch.step.name", "step"),
        Field("spark.jobs", "jobs", "none"),
        Field("spark.stages", "stages", "none"),
        Field("spark.tasks.completed", "tasks completed", "none"),
        Field("spark.tasks.failed", "tasks failed", "none"),
        Field("spark.executor.run_time", "time of tasks", "ms"),
        Field("spark.input.records", "records read", "none"),
        Field("spark.output.records", "records written", "none"),
        Field("spark.shuffle.read.bytes", "shuffle read", "bytes"),
        Field("spark.spill.disk.bytes", "spilled to disk", "bytes"),
    ]
    text = Text(
        "What Spark ran for each step",
        "Jobs, stages and tasks of Spark for each step that ended, and what they have read, written, shuffled and "
        "spilled. Tasks that failed and were tried again do not fail a step. The trace has each stage. Empty for a run "
        "without Spark.",
        links,
    )
    records = stores.records(STEP_FINISHED, having=SPARK)
    return events(text, stores.logs, stores.asked(records), _named(stores, fields))


def _errors(stores: Stores, links: _Links) -> Any:
    text = Text(
        "Errors with stack traces",
        "Class, message and stack trace of what ended the run or a step, and of errors that the job logged. Read the "
        "first one first: later ones are often its consequence. Empty for a run without errors.",
        links,
    )
    return lines(text, stores.logs, stores.asked(stores.errors), height=10)


def _trace(stores: Stores, links: _Links) -> Any:
    text = Text(
        "Trace",
        "The trace of the run; the id in the first column opens it with all spans. Gaps between steps are time that no "
        "step accounts for. Several traces: attempts that were started separately.",
        links,
    )
    return spans(text, stores.traces, stores.trace)


def _records(stores: Stores, links: _Links) -> Any:
    text = Text(
        "Logs",
        "All log records of the run, the oldest first, events of batchtel among them. Details of a line have its step, "
        "its trace and the fields of the job.",
        links,
    )
    return lines(text, stores.logs, stores.asked(stores.records()), height=16)


def _named(stores: Stores, fields: list[Field]) -> list[Field]:
    return [Field(stores.field(field.key), field.name, field.unit) for field in fields]
