"""The table of signals: every metric and attribute that leaves a job; spans and events are in `spans_and_events`.

This table is the source of truth. The job side records nothing that is not here; the collector's label allow-list,
units and bucket layouts are generated from it; tests compare the reference documentation and the recording rules with
it.

Every metric is a sum or a maximum. Both are commutative and associative, so neither order nor parallelism can change a
result; see the data model's section on temporality
(https://opentelemetry.io/docs/specs/otel/metrics/data-model/#temporality) for why last-write-wins streams are not.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

# fmt: off
SECONDS_BOUNDS: Final = (
    0.1, 0.5, 1.0, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 21600.0, 86400.0, 604800.0,
)
# fmt: on
"""Upper bounds of every duration histogram, in seconds: 0.1 s to 7 days."""

SCORE_BOUNDS: Final = (0.5, 0.8, 0.9, 0.95, 0.99, 1.0)
"""Upper bounds of data-quality scores, which lie in [0, 1]."""

STATUSES: Final = ("success", "failure", "timeout", "cancelled", "skipped", "lost")
"""How a run or a step can end."""

STATES: Final = ("scheduled", "queued", "running", "retrying", *STATUSES, "dead_letter")
"""Where a job or a step can be; the latest state is the one entered last."""

VIOLATION_TYPES: Final = (
    *("duration_exceeded", "deadline_missed"),
    *("failure_rate_exceeded", "insufficient_records", "data_stale"),
)
"""What of its SLA a run can violate."""

MEMORY_BOUNDS: Final = tuple(16.0 * 2**20 * 4**power for power in range(7))
"""Upper bounds of peak memory, in bytes: powers of four from 16 MiB to 64 GiB."""

RECORDS_OUTCOMES: Final = ("unknown", "zero", "insufficient", "sufficient")
"""What a run reported of its processed records: nothing, 0, fewer than the catalogue wants, or any other number."""

Kind = Literal["counter", "histogram", "maximum"]
AttributeType = Literal["string", "int", "double", "boolean", "string[]"]


class Attribute(NamedTuple):
    """One attribute key, as written on the wire.

    `label` is whether metrics may carry the key, which Prometheus stores as a label; every other key stays on spans
    and log records, where an unbounded number of values does no harm. `values` are all that are allowed, empty: any.
    """

    key: str
    type: AttributeType
    description: str
    label: bool = False
    values: tuple[str, ...] = ()

    @property
    def meaning(self) -> str:
        """The description, with the values where they are limited."""
        return f"{self.description[:-1]}: {', '.join(self.values)}." if self.values else self.description


class Metric(NamedTuple):
    """One metric: OpenTelemetry name, UCUM unit, kind, and exactly the attributes its data points carry.

    `bounds` are the bucket bounds of a histogram in `unit`, fixed within a major version, because series with other
    bounds cannot be added to those already stored. A `maximum` is a gauge whose value is a Unix time.
    """

    name: str
    unit: str
    kind: Kind
    description: str
    attributes: tuple[str, ...]
    bounds: tuple[float, ...] = ()

    @property
    def prometheus_name(self) -> str:
        """The family's name in Prometheus, by the translation of the OpenTelemetry compatibility specification.

        https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/#metric-metadata-1
        """
        suffix = {"s": "_seconds", "By": "_bytes"}.get(self.unit, "")
        return self.name.replace(".", "_") + suffix + ("_total" if self.kind == "counter" else "")


ATTRIBUTES: Final = (
    # Labels: the only keys that data points carry.
    Attribute("job_name", "string", "Name of the job.", label=True),
    Attribute(
        "job_type", "string", "Kind of the job; values outside the environment's list become `other`.", label=True
    ),
    Attribute("step_name", "string", "Name of the step within the job.", label=True),
    Attribute("status", "string", "How the run or step ended.", label=True, values=STATUSES),
    Attribute("state", "string", "State that was entered.", label=True, values=STATES),
    Attribute("error_type", "string", "Class of the exception that ended it, or `unknown`; failures only.", label=True),
    Attribute("violation_type", "string", "Violated rule.", label=True, values=VIOLATION_TYPES),
    # Who and which run: on spans and log records.
    Attribute("batch.job.name", "string", "Name of the job, as the job wrote it."),
    Attribute("batch.job.type", "string", "Kind of the job, as the job wrote it."),
    Attribute("batch.job.owner", "string", "Who answers for the job, by its catalogue or its DAG."),
    Attribute("batch.job.team", "string", "Whose job it is, by its catalogue or its DAG."),
    Attribute("batch.run.id", "string", "Id of the run; a UUIDv7 unless the caller gave one."),
    Attribute("batch.run.attempt", "int", "Number of the attempt, 1 for the first."),
    Attribute("batch.scheduled_at", "string", "When the run was due, ISO 8601 in UTC."),
    Attribute("batch.queued_at", "string", "When the run began to wait for its start, ISO 8601 in UTC."),
    Attribute("batch.step.name", "string", "Name of the step."),
    Attribute("batch.step.attempt", "int", "Number of the step's own attempt, where `retry` calls it."),
    # What happened.
    Attribute("batch.status", "string", "How the run or step ended."),
    Attribute("batch.started_at", "string", "When the run or step started, ISO 8601 in UTC."),
    Attribute("batch.duration", "double", "Seconds from start to end, by a monotonic clock."),
    Attribute("batch.records.processed", "int", "Records the run processed without failure; only if it reported any."),
    Attribute("batch.records.outcome", "string", "Whether records were processed.", values=RECORDS_OUTCOMES),
    Attribute("batch.records.failed", "int", "Records that failed."),
    Attribute("batch.records.read", "int", "Records the step read."),
    Attribute("batch.records.written", "int", "Records the step wrote."),
    Attribute("batch.records.extracted", "int", "Records read, of a step named extract."),
    Attribute("batch.records.transformed", "int", "Records written, of a step named transform."),
    Attribute("batch.records.transform_errors", "int", "Records that failed, of a step named transform."),
    Attribute("batch.records.loaded", "int", "Records written, of a step named load."),
    Attribute("batch.total_records_processed", "int", "The same as batch.records.processed."),
    Attribute("batch.progress.done", "double", "Work done, as the job reported it."),
    Attribute("batch.progress.total", "double", "Work in all, as the job reported it."),
    Attribute("batch.record.id", "string", "Id of one record that failed."),
    Attribute("batch.data_quality.score", "double", "Data-quality score of the run, 0 to 1."),
    Attribute("batch.schema.version", "string", "Version of the schema that the data was held against."),
    Attribute("batch.data.timestamp", "string", "Time of the newest data the run has seen, ISO 8601 in UTC."),
    Attribute("batch.inputs", "string[]", "Names of what was read."),
    Attribute("batch.outputs", "string[]", "Names of what was written."),
    Attribute("batch.sla.met", "boolean", "Whether the run kept its SLA; only where the catalogue has one."),
    Attribute("batch.sla.violations", "string[]", "The rules that the run violated, in their order."),
    Attribute("batch.sla.violation", "string", "One violated rule.", values=VIOLATION_TYPES),
    Attribute("batch.sla.limit", "double", "The rule's limit: seconds, Unix time, share or records."),
    Attribute("batch.sla.observed", "double", "What was observed instead, in the limit's unit."),
    Attribute(
        "batch.status.reason", "string", "Why, where the status alone does not show it: a signal, out of memory."
    ),
    Attribute("batch.cpu.time", "double", "CPU seconds of the run, with the children that were waited for."),
    Attribute("batch.memory.peak", "int", "Bytes of memory at the highest, of the process or of one child."),
    Attribute("process.executable.name", "string", "Base name of the command that was run."),
    Attribute("process.exit.code", "int", "Exit code of the command, or the one that Python was asked for."),
    Attribute("error.type", "string", "Class of the exception that ended the run or step."),
    Attribute("exception.type", "string", "Class of the exception, with its module."),
    Attribute("exception.message", "string", "Text of the exception."),
    Attribute("exception.stacktrace", "string", "Stack trace of the exception."),
)
"""Every attribute that batchtel itself writes. The user's own attributes come on top, on spans and events only."""

_JOB = ("job_name", "job_type")
_STEP = ("job_name", "job_type", "step_name")

METRICS: Final = (
    Metric("batch.job.runs.started", "{run}", "counter", "Runs that started.", _JOB),
    Metric(
        "batch.job.completions",
        "{run}",
        "counter",
        "Runs that ended, by how they ended.",
        (*_JOB, "status", "error_type"),
    ),
    Metric("batch.job.duration", "s", "histogram", "Duration of one attempt.", (*_JOB, "status"), SECONDS_BOUNDS),
    Metric("batch.job.queue_wait", "s", "histogram", "Time from queued to the first start.", _JOB, SECONDS_BOUNDS),
    Metric(
        "batch.job.execution",
        "s",
        "histogram",
        "Time from the first start to the end of the last attempt.",
        _JOB,
        SECONDS_BOUNDS,
    ),
    Metric("batch.job.total", "s", "histogram", "Time from scheduled to the end.", _JOB, SECONDS_BOUNDS),
    Metric("batch.job.records.processed", "{record}", "counter", "Records processed; excludes the failed ones.", _JOB),
    Metric("batch.job.records.failed", "{record}", "counter", "Records that failed.", _JOB),
    Metric("batch.job.progress", "{record}", "counter", "Work done, as `progress` reports it.", _JOB),
    Metric("batch.job.alive.time", "s", "counter", "Seconds that runs were alive; its rate is how many are.", _JOB),
    Metric("batch.job.retries", "{retry}", "counter", "Attempts after the first.", _JOB),
    Metric(
        "batch.job.sla.violations",
        "{violation}",
        "counter",
        "Rules of their SLA that runs violated, each once a run.",
        (*_JOB, "violation_type"),
    ),
    Metric("batch.job.data_quality.score", "1", "histogram", "Data-quality scores of runs.", _JOB, SCORE_BOUNDS),
    Metric(
        "batch.job.data.timestamp", "s", "maximum", "Unix time of the newest data that the job's runs have seen.", _JOB
    ),
    Metric("batch.job.cpu.time", "s", "counter", "CPU seconds of runs.", _JOB),
    Metric("batch.job.memory.peak", "By", "histogram", "Peak memory of runs.", _JOB, MEMORY_BOUNDS),
    Metric(
        "batch.job.state.timestamp",
        "s",
        "maximum",
        "Unix time at which the job last entered each state.",
        (*_JOB, "state"),
    ),
    Metric("batch.step.runs.started", "{run}", "counter", "Steps that started.", _STEP),
    Metric(
        "batch.step.completions",
        "{run}",
        "counter",
        "Steps that ended, by how they ended.",
        (*_STEP, "status", "error_type"),
    ),
    Metric(
        "batch.step.duration",
        "s",
        "histogram",
        "Duration of one attempt of the step, by status: `success`, skipped ones included, or `failure`.",
        (*_STEP, "status"),
        SECONDS_BOUNDS,
    ),
    Metric("batch.step.records.read", "{record}", "counter", "Records the step read.", _STEP),
    Metric("batch.step.records.written", "{record}", "counter", "Records the step wrote.", _STEP),
    Metric("batch.step.records.failed", "{record}", "counter", "Records that failed in the step.", _STEP),
    Metric("batch.step.alive.time", "s", "counter", "Seconds that steps were alive; its rate is how many are.", _STEP),
    Metric("batch.step.retries", "{retry}", "counter", "Attempts of the step after the first.", _STEP),
    Metric(
        "batch.step.state.timestamp",
        "s",
        "maximum",
        "Unix time at which the step last entered each state.",
        (*_STEP, "state"),
    ),
)
"""Every metric that leaves a job."""

JOB_LABELS: Final = (
    Attribute("owner", "string", "Who answers for the job, by its catalogue or its Airflow DAG."),
    Attribute("team", "string", "Whose job it is, by the same."),
    Attribute("tag", "string", "Tags of its Airflow DAG."),
)
"""What data points carry on top, where it is set; a label in environments that list its values, else removed.

A value may be several, with commas between them: as a label it is the first of those that the environment lists.
"""

RESOURCE_LABELS: Final = {
    "service.name": "job",
    "service.namespace": "job",
    "deployment.environment.name": "deployment_environment_name",
}
"""Resource attributes that become Prometheus labels, and which label; `job` is `<namespace>/<name>`."""


def metric(name: str) -> Metric:
    """Return the row of the metric `name`; KeyError if the table has none."""
    return _METRICS_BY_NAME[name]


def labels() -> tuple[str, ...]:
    """Return the attribute keys that may become Prometheus labels, in the table's order."""
    return tuple(attribute.key for attribute in ATTRIBUTES if attribute.label)


_METRICS_BY_NAME: Final = {row.name: row for row in METRICS}
