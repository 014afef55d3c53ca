"""Named queries of boards about runs in stores of logs and traces, each in the language of its product.

They select runs by the variables of a board: `environment`, `service` and `job` match several values, `run` is an id.
A service is written as metrics have it, `<namespace>/<name>`, or the name alone if it has no namespace. A job without
an environment is found where all environments are selected.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from batchtel_dashboards import queries
from batchtel_dashboards.stores.client import quoted

RUN_FINISHED: Final = "batch.run.finished"
STEP_FINISHED: Final = "batch.step.finished"
"""Events with all that is recorded of a run, or of a step."""

SERVICE: Final = "batch.service"
"""The field with the service as metrics have it: the queries of logs add it to each record."""

SPARK: Final = "spark.jobs"
"""The attribute that a step has for which Spark has run something."""

_ERROR: Final = "exception.type"


def logql(event: str | None = None, *, one: bool = True, having: str = "") -> str:
    """LogQL: the log records of a job, of one event or all, of the one run or of all runs; `having` an attribute."""
    # Loki refuses a selector that matches streams without any label, as `.*` does.
    query = '{service_name=~".+", deployment_environment_name=~"$environment", batch_job_name=~"$job"}'
    filters = [f"event_name={quoted(event)}"] if event else []
    # A reader who has not chosen a run sees none, instead of the records without a run.
    filters += ['batch_run_id="$run"', 'batch_run_id!=""'] if one else []
    name = SERVICE.replace(".", "_")
    service = "{{with .service_namespace}}{{.}}/{{end}}{{.service_name}}"
    filters += [f"label_format {name}={quoted(service)}", f'{name}=~"$service"']
    filters += [f'{having.replace(".", "_")}!=""'] if having else []
    return query + "".join(f" | {text}" for text in filters)


def logql_error() -> str:
    """LogQL: the error of the run and of its failed steps: class, message and stack trace."""
    text = "{{.exception_type}}: {{.exception_message}}\n{{.exception_stacktrace}}"
    return f"{logql(having=_ERROR)} | line_format {quoted(text)}"


def traceql() -> str:
    """TraceQL: the spans of the run and its steps, with what they have processed.

    It reads the name of the service from the variable `service_name`, because TraceQL cannot join namespace and name.
    Spans without an environment are found whatever environment is selected.
    """
    environment = "resource.deployment.environment.name"
    names = ("batch.status", "batch.run.attempt", "batch.records.read", "batch.records.written")
    conditions = (
        'span.batch.run.id = "$run"',
        "span.batch.job.name =~ `^(${job:regex})$`",
        "resource.service.name =~ `^(${service_name:regex})$`",
        'name =~ "batch_(job|step)[.].*"',
    )
    shown = f"select({', '.join(f'span.{name}' for name in names)}, {environment})"
    # A missing attribute can be compared behind its selection only, and by this form in every version of Tempo.
    chosen = f"{{ {environment} =~ `^(${{environment:regex}})$` || !({environment} != nil) }}"
    return f"{{ {' && '.join(conditions)} }} | {shown} | {chosen}"


def logsql(event: str | None = None, *, one: bool = True, having: str = "") -> str:
    """LogsQL: the log records of a job, of one event or all, of the one run or of all runs; `having` an attribute.

    VictoriaLogs compares a pattern with any part of a value, so the one of the service has both ends.
    """
    query = '{"deployment.environment.name"=~"$environment", "batch.job.name"=~"$job"}'
    query += f' "event_name":={quoted(event)}' if event else ""
    query += ' "batch.run.id":="$run" "batch.run.id":*' if one else ""
    query += f" {quoted(having)}:*" if having else ""
    named = 'if ("service.namespace":*) "<service.namespace>/<service.name>"'
    query += f' | format "<service.name>" as "{SERVICE}" | format {named} as "{SERVICE}"'
    return query + f' | filter "{SERVICE}":~"^($service)$"'


def logsql_error() -> str:
    """LogsQL: the error of the run and of its failed steps: class, message and stack trace."""
    text = "<exception.type>: <exception.message>\n<exception.stacktrace>"
    return f"{logsql(having=_ERROR)} | format {quoted(text)} as _msg"


def jaeger_tags() -> str:
    """Tags of Jaeger's search, in logfmt: traces with a span of the run, in the environment if one is left."""
    return "batch.run.id=$run $environment_tag"


def environment_tag(labels: Mapping[str, str]) -> str:
    """PromQL: one series whose label `tag` has the environment of jobs for Jaeger's search; none if there are several.

    Jaeger compares whole values, so it can select one environment, not one of several.
    """
    runs = f"last_over_time({queries.total('batch.job.runs.started')}{queries.selector(labels)}[$__range])"
    environments = f"group by (deployment_environment_name) ({runs})"
    tag = (
        f'label_replace({environments}, "tag", "deployment.environment.name=$1", "deployment_environment_name", "(.+)")'
    )
    return f"{tag} and on () (count ({environments}) == 1)"
