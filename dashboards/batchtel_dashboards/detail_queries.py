"""Named queries of boards about runs in stores of logs and traces, each in the language of its product.

They select runs by the variables `job` and `run` of a board: the first matches several names, the second is an id.
"""

from __future__ import annotations

from typing import Final

from batchtel_dashboards.stores.client import quoted

RUN_FINISHED: Final = "batch.run.finished"
STEP_FINISHED: Final = "batch.step.finished"
"""Events with all that is recorded of a run, or of a step."""


def logql(event: str | None = None, *, one: bool = True) -> str:
    """LogQL: the log records of a job, of one event or all, of the one run or of all runs."""
    # Loki refuses a selector that matches streams without any label, as `.*` does.
    query = '{service_name=~".+", batch_job_name=~"$job"}'
    filters = [f"event_name={quoted(event)}"] if event else []
    # A reader who has not chosen a run sees none, instead of the records without a run.
    filters += ['batch_run_id="$run"', 'batch_run_id!=""'] if one else []
    return query + "".join(f" | {text}" for text in filters)


def logql_error() -> str:
    """LogQL: the error of the run and of its failed steps: class, message and stack trace."""
    text = "{{.exception_type}}: {{.exception_message}}\n{{.exception_stacktrace}}"
    return f'{logql()} | exception_type!="" | line_format {quoted(text)}'


def traceql() -> str:
    """TraceQL: the spans of the run and its steps, with what they have processed."""
    names = ("batch.status", "batch.run.attempt", "batch.records.read", "batch.records.written")
    conditions = '{ span.batch.run.id = "$run" && name =~ "batch_(job|step)[.].*" }'
    return f"{conditions} | select({', '.join(f'span.{name}' for name in names)})"


def logsql(event: str | None = None, *, one: bool = True) -> str:
    """LogsQL: the log records of a job, of one event or all, of the one run or of all runs."""
    query = '{"batch.job.name"=~"$job"}'
    query += f' "event_name":={quoted(event)}' if event else ""
    return query + (' "batch.run.id":="$run" "batch.run.id":*' if one else "")


def logsql_error() -> str:
    """LogsQL: the error of the run and of its failed steps: class, message and stack trace."""
    text = "<exception.type>: <exception.message>\n<exception.stacktrace>"
    return f'{logsql()} "exception.type":* | format {quoted(text)} as _msg'


def jaeger_tags() -> str:
    """Tags of Jaeger's search, in logfmt: traces with a span of the run."""
    return "batch.run.id=$run"
