"""The variables that boards have in common: environment, service, job and step, each limited by those before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.models import dashboard

from batchtel_dashboards import airflow_queries, detail_queries, queries
from batchtel_dashboards.boards.panels import TIME, Link, reference
from batchtel_dashboards.boards.sources import PROMETHEUS
from batchtel_dashboards.queries import Pattern

ENVIRONMENT: Final[Mapping[str, str]] = {"deployment_environment_name": Pattern("$environment")}
SERVICE: Final[Mapping[str, str]] = {**ENVIRONMENT, "job": Pattern("$service")}
JOB: Final[Mapping[str, str]] = {**SERVICE, "job_name": Pattern("$job")}
STEP: Final[Mapping[str, str]] = {**JOB, "step_name": Pattern("$step")}
"""Labels of what the variables select, for the queries of panels."""

AIRFLOW: Final[Mapping[str, str]] = {airflow_queries.ID: Pattern("$airflow")}
DAG: Final[Mapping[str, str]] = {**AIRFLOW, "dag_id": Pattern("$job")}
"""The same for Airflow's own metrics."""

WHO: Final[Sequence[str]] = ("deployment_environment_name", "job", "job_name")
"""The labels that a reader needs to identify a job."""

_RUNS: Final = queries.total("batch.job.runs.started")
_STEPS: Final = queries.total("batch.step.runs.started")


def environment() -> dashboards.QueryVariable:
    """Return the variable of environments."""
    return _several("environment", "Environment", _RUNS, {}, "deployment_environment_name")


def service() -> dashboards.QueryVariable:
    """Return the variable of services, as `<namespace>/<name>`."""
    return _several("service", "Service", _RUNS, ENVIRONMENT, "job")


def job() -> dashboards.QueryVariable:
    """Return the variable of jobs."""
    return _several("job", "Job", _RUNS, SERVICE, "job_name")


def step() -> dashboards.QueryVariable:
    """Return the variable of steps."""
    return _several("step", "Step", _STEPS, JOB, "step_name")


def service_name(*, one: bool) -> dashboards.QueryVariable:
    """Return the variable of the names of the selected services without their namespaces: one of them, or all, hidden.

    Stores of traces have name and namespace apart, and their queries cannot join them.
    """
    variable = _several("service_name", "Service name", _RUNS, JOB, "job").regex("/^(?:.*[/])?(.+)$/")
    if one:
        return variable.multi(False).include_all(False).all_value("").current(dashboard.VariableOption())
    # Without a value of its own, All is each of the names.
    return variable.all_value("").hide(dashboard.VariableHide.HIDE_VARIABLE)


def environment_tag() -> dashboards.QueryVariable:
    """Return the hidden variable with the tag of Jaeger's search for the one environment that is selected."""
    variable = dashboards.QueryVariable("environment_tag").datasource(reference(PROMETHEUS))
    variable.query(f"query_result({detail_queries.environment_tag(JOB)})").regex('/tag="([^"]+)"/')
    variable.hide(dashboard.VariableHide.HIDE_VARIABLE)
    return variable.refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)


def airflow() -> dashboards.QueryVariable:
    """Return the variable of Airflows, by the name that each gives its own metrics."""
    return _several("airflow", "Airflow", f"{airflow_queries.FAMILY}scheduler_heartbeat", {}, airflow_queries.ID)


def dag() -> dashboards.QueryVariable:
    """Return the variable of DAGs; it has the name of that of jobs, so that links keep what is selected."""
    return _several("job", "DAG", f"{airflow_queries.FAMILY}ti_finish", AIRFLOW, "dag_id")


def text(name: str, label: str, description: str) -> dashboards.TextBoxVariable:
    """Return a variable that a reader types in, for values that are no label, such as the id of a run."""
    return dashboards.TextBoxVariable(name).label(label).description(description).default_value("")


ROW: Final = '${{__data.fields["{}"]:percentencode}}'
"""The value of a column of a row, for links of tables."""

SERIES: Final = "${{__field.labels.{}:percentencode}}"
"""The value of a label of a series, for links of charts."""

VALUE: Final = "${__value.raw:percentencode}"
"""The value itself, for links of a column."""


def to_board(title: str, uid: str, of: str = "", columns: Sequence[str] = WHO, **more: str) -> Link:
    """Return a link to a board that keeps the time, and the environment, service and job.

    They are those of the variables, or of what the link is at: `of` is ROW or SERIES, `columns` the names of the three
    there. Grafana puts in nothing for a job without an environment, which selects just those jobs.
    """
    names = ("environment", "service", "job")
    chosen = [of.format(column) for column in columns] if of else []
    parts = [f"var-{name}={value}" for name, value in zip(names, chosen, strict=False)]
    parts = parts or [f"${{{name}:queryparam}}" for name in names]
    parts += [f"var-{name}={value}" for name, value in more.items()]
    return Link(title, f"/d/{uid}?{'&'.join(parts)}&{TIME}")


def _several(name: str, label: str, metric: str, labels: Mapping[str, str], key: str) -> dashboards.QueryVariable:
    every = dashboard.VariableOption(selected=True, text=["All"], value=["$__all"])
    variable = dashboards.QueryVariable(name).label(label).datasource(reference(PROMETHEUS))
    variable.query(f"label_values({metric}{queries.selector(labels)}, {key})").multi(True).include_all(True)
    # `.*` also matches series without the label, such as those of jobs without an environment.
    variable.all_value(".*").current(every).sort(dashboard.VariableSort.ALPHABETICAL_ASC)
    return variable.refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)


def option(value: str) -> dashboard.VariableOption:
    """Return the choice that a variable has first."""
    return dashboard.VariableOption(selected=True, text=value, value=value)
