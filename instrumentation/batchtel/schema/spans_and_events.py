"""The table of spans and events: which attributes each of them can carry.

Apart from the metrics, because no job reads it: documentation is generated from it, and tests compare what leaves a job
with it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from batchtel.schema.limits import RUN_LAST_LIMIT, RUN_LOG_LIMIT
from batchtel.schema.signals import Attribute


class Span(NamedTuple):
    """One kind of span: its name, where `<...>` stands for a bounded name, and the attributes it can carry."""

    name: str
    description: str
    attributes: tuple[str, ...]


class Event(NamedTuple):
    """One log record with an event name and the attributes it can carry."""

    name: str
    description: str
    attributes: tuple[str, ...]


_IDENTITY = (
    *("batch.job.name", "batch.job.type", "batch.job.owner", "batch.job.team", "batch.run.id", "batch.run.attempt"),
    *("batch.scheduled_at", "batch.queued_at"),
)
_STEP_IDENTITY = (*_IDENTITY, "batch.step.name", "batch.step.attempt")
_SOURCES = ("batch.inputs", "batch.outputs")
_JOB_RESULT = (
    *("batch.records.processed", "batch.records.failed", "batch.records.outcome", "batch.total_records_processed"),
    *("batch.progress.done", "batch.progress.total"),
    *("batch.data_quality.score", "batch.schema.version", "batch.data.timestamp", *_SOURCES),
)
_SLA = ("batch.sla.met", "batch.sla.violations")
_STEP_RESULT = (
    *("batch.records.read", "batch.records.written", "batch.records.failed"),
    *("batch.records.extracted", "batch.records.transformed", "batch.records.transform_errors", "batch.records.loaded"),
    *_SOURCES,
)
_END = ("batch.status", "batch.status.reason", "process.exit.code", "error.type")
_TIMES = ("batch.started_at", "batch.duration")
_COST = ("batch.cpu.time", "batch.memory.peak")
_USAGE = (*_COST, "process.executable.name")
_EXCEPTION = ("exception.type", "exception.message", "exception.stacktrace")

_SPARK_COSTS = (
    *("spark.tasks.completed", "spark.tasks.failed", "spark.tasks.killed", "spark.executor.run_time"),
    *("spark.shuffle.read.bytes", "spark.shuffle.read.records"),
    *("spark.shuffle.write.bytes", "spark.shuffle.write.records"),
    *("spark.spill.memory.bytes", "spark.spill.disk.bytes"),
)
_SPARK_DATA = ("spark.input.records", "spark.input.bytes", "spark.output.records", "spark.output.bytes")

SPANS: Final = (
    Span("batch_job.<job>", "One run of a job.", (*_IDENTITY, *_JOB_RESULT, *_SLA, *_USAGE, *_END)),
    Span("batch_step.<step>", "One execution of a step.", (*_STEP_IDENTITY, *_STEP_RESULT, *_END)),
)
"""Every span that leaves a job; both are INTERNAL."""

EVENTS: Final = (
    Event("batch.run.started", "A run started; sent at once, so that a long run is visible before it ends.", _IDENTITY),
    Event(
        "batch.run.finished",
        "A run ended: the audit record.",
        (*_IDENTITY, *_TIMES, *_JOB_RESULT, *_SLA, *_USAGE, *_END, *_EXCEPTION),
    ),
    Event(
        "batch.run.reported",
        "What one process within a run recorded; the run was opened by another process, which ends it.",
        (*_IDENTITY, *_JOB_RESULT, *_COST),
    ),
    Event(
        "batch.attempt.failed",
        "An attempt of a run or a step failed and another one follows, by `retry`.",
        (*_STEP_IDENTITY, *_TIMES, *_JOB_RESULT, *_SLA, *_STEP_RESULT, *_USAGE, *_END, *_EXCEPTION),
    ),
    Event(
        "batch.sla.violated",
        "A run violated a rule of its SLA; sent once a run and rule, for limits of time as soon as they are passed.",
        (*_IDENTITY, "batch.sla.violation", "batch.sla.limit", "batch.sla.observed"),
    ),
    Event(
        "batch.step.finished",
        "A step ended: the audit record.",
        (*_STEP_IDENTITY, *_TIMES, *_STEP_RESULT, *_END, *_EXCEPTION),
    ),
    Event(
        "batch.step.reported",
        "What one process within a task of Airflow recorded; the task was started by another process, which ends it.",
        (*_STEP_IDENTITY, *_STEP_RESULT),
    ),
    Event(
        "batch.log.limit",
        f"The run has logged more than {RUN_LOG_LIMIT:,} records; of the rest those at WARNING and above are sent, "
        f"and the last {RUN_LAST_LIMIT:,} at its end.",
        _IDENTITY,
    ),
    Event(
        "batch.record.failed",
        "One record failed; the first 100 of a run are logged, then one record states that the rest is only counted.",
        (*_STEP_IDENTITY, "batch.record.id", *_EXCEPTION),
    ),
)
"""Every event that leaves a job, as a log record of the scope `batchtel`."""

AIRFLOW_ATTRIBUTES: Final = (
    Attribute("airflow.dag.tags", "string", "Tags of the DAG, with commas between them."),
    Attribute("airflow.dag_run.run_type", "string", "Kind of the DAG run: scheduled, manual, backfill, ..."),
    Attribute("airflow.dag_run.logical_date", "string", "Logical date of the DAG run, ISO 8601 in UTC, if it has one."),
    Attribute("airflow.task.operator", "string", "Class of the task's operator."),
    Attribute("airflow.task_instance.map_index", "int", "Index of a mapped task; -1 for a task that is not mapped."),
    Attribute("airflow.task_instance.queue", "string", "Queue that the task waited in."),
    Attribute("airflow.task_instance.pool", "string", "Pool whose slots the task used."),
)
"""What spans and events of Airflow's DAG runs and tasks carry on top."""

SPARK_SPANS: Final = (
    Span(
        "spark.job",
        "One job of Spark, below the step that ran it.",
        ("batch.job.name", "batch.run.id", "spark.job.id", "spark.job.name", "spark.job.status"),
    ),
    Span(
        "spark.stage",
        "One attempt of a stage, below its job.",
        (
            *("batch.job.name", "batch.run.id", "spark.stage.id", "spark.stage.attempt", "spark.stage.name"),
            *("spark.stage.status", "spark.stage.failure", "spark.tasks", *_SPARK_COSTS, *_SPARK_DATA),
        ),
    ),
)
"""Spans of what Spark ran, both INTERNAL."""

SPARK_ATTRIBUTES: Final = (
    Attribute("spark.application.id", "string", "Id of the application; on the run only."),
    Attribute("spark.application.name", "string", "Name of the application; on the run only."),
    Attribute("spark.jobs", "int", "Jobs of Spark that the step or the run has run."),
    Attribute("spark.jobs.failed", "int", "Those that failed."),
    Attribute("spark.stages", "int", "Stages that have run; skipped ones are none."),
    Attribute("spark.stages.failed", "int", "Those whose last attempt failed."),
    Attribute("spark.job.id", "int", "Number of the job in its application."),
    Attribute("spark.job.name", "string", "Description of the job, else the call that ran it."),
    Attribute("spark.job.status", "string", "SUCCEEDED, FAILED, or RUNNING at the end of the application."),
    Attribute("spark.stage.id", "int", "Number of the stage in its application."),
    Attribute("spark.stage.attempt", "int", "Number of the attempt, 0 for the first."),
    Attribute("spark.stage.name", "string", "Description of the stage, else the call that ran it."),
    Attribute("spark.stage.status", "string", "COMPLETE, FAILED, or ACTIVE at the end of the application."),
    Attribute("spark.stage.failure", "string", "Why the stage failed."),
    Attribute("spark.tasks", "int", "Tasks of the stage, each counted once."),
    Attribute("spark.tasks.completed", "int", "Attempts of tasks that have succeeded."),
    Attribute("spark.tasks.failed", "int", "Attempts of tasks that have failed."),
    Attribute("spark.tasks.killed", "int", "Attempts that were killed, or ran on when their stage ended."),
    Attribute("spark.executor.run_time", "int", "Milliseconds that all attempts of tasks have run."),
    Attribute("spark.shuffle.read.bytes", "int", "Bytes read from other stages."),
    Attribute("spark.shuffle.read.records", "int", "Records read from other stages."),
    Attribute("spark.shuffle.write.bytes", "int", "Bytes written for other stages."),
    Attribute("spark.shuffle.write.records", "int", "Records written for other stages."),
    Attribute("spark.spill.memory.bytes", "int", "Bytes in memory of what was spilled."),
    Attribute("spark.spill.disk.bytes", "int", "Bytes on disk of what was spilled."),
    Attribute("spark.input.records", "int", "Records read from sources, by attempts of tasks that have succeeded."),
    Attribute("spark.input.bytes", "int", "Bytes read from sources, by the same."),
    Attribute("spark.output.records", "int", "Records written to sinks, by the same."),
    Attribute("spark.output.bytes", "int", "Bytes written to sinks, by the same."),
)
"""What spans and events of Spark applications carry on top; steps and runs have the totals of their stages."""
