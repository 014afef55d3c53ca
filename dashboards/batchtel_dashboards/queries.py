"""Named queries in PromQL, in one place; those of logs and traces are in `stores`, in the language of each product.

Every function returns the text of one query. Values from outside are quoted for the language, so a job name with a
quote in it does not change the query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from batchtel.schema import signals
from batchtel_dashboards import rules
from batchtel_dashboards.stores.client import quoted

Level = Literal["job", "step"]
HistogramPart = Literal["count", "sum", "bucket"]

OURS: Final = '{__name__=~"batch_.+"}'
"""PromQL: every series of runs, including recorded ones."""

EVERYTHING: Final = '{__name__=~".+"}'
"""PromQL: every series in Prometheus."""

NO_LABELS: Final[Mapping[str, str]] = {}


def added(
    metric: str,
    window: str,
    *,
    by: Sequence[str] = (),
    labels: Mapping[str, str] = NO_LABELS,
    part: HistogramPart = "count",
) -> str:
    """PromQL: the increase of a counter or histogram within a window; exact from the first increment on.

    Args:
        metric: OpenTelemetry name of a counter or histogram, such as `batch.job.completions`.
        window: how far back, such as `1h`.
        by: the labels that the result keeps; one number for all series if there are none.
        labels: only series with these values.
        part: which of a histogram's totals; not read for a counter.
    """
    row = signals.metric(metric)
    names = rules.totals(row)
    if not names:
        raise ValueError(f"{metric} is a maximum and has no increase; use latest_state()")
    total = names[0] if row.kind == "counter" else f"{row.prometheus_name}_{part}"
    return f"sum{_by(by)} (sum_over_time({rules.increment(total)}{_selector(labels)}[{window}]))"


def quantile(metric: str, fraction: float, window: str, *, by: Sequence[str] = ()) -> str:
    """PromQL: the value of a histogram that `fraction` (0 to 1) of what was recorded in a window does not exceed."""
    return f"histogram_quantile({fraction}, {added(metric, window, by=(*by, 'le'), part='bucket')})"


WHO: Final[Mapping[Level, Sequence[str]]] = {
    "job": ("job", "deployment_environment_name", "job_name", "job_type"),
    "step": ("job", "deployment_environment_name", "job_name", "job_type", "step_name"),
}
"""The labels that identify a job, or a step: one name in two services or environments is two jobs."""


def latest_state(level: Level, labels: Mapping[str, str] = NO_LABELS) -> str:
    """PromQL: for each job or step the state that it entered last; the value is the Unix time of the entry.

    A run whose process was killed stays `running` in it; current_state() shows it as lost.
    """
    row = signals.metric(f"batch.{level}.state.timestamp")
    return f"topk{_by(WHO[level])} (1, {rules.maximum(row)}{_selector(labels)})"


def current_state(level: Level, labels: Mapping[str, str] = NO_LABELS) -> str:
    """PromQL: as latest_state(), but `lost` for a running job, and its steps, whose heartbeats have stopped.

    It changes 2 to 5 minutes after the last heartbeat. DAG runs have no heartbeat; Airflow reports its lost ones.
    """
    latest = latest_state(level, labels)
    row = signals.metric(f"batch.{level}.state.timestamp")
    matchers = _selector(labels).strip("{}")
    open_ones = f'{rules.maximum(row)}{{{matchers}{", " if matchers else ""}state=~"running|retrying"}}'
    silent = f"(max_over_time({rules.live('job')}[{rules.LIVE}s]) == 0)"
    lost = f"((({latest}) and {open_ones}) < time() - {rules.LIVE}) and on ({', '.join(WHO['job'])}) {silent}"
    shown = f'label_replace({lost}, "state", "lost", "", "")'
    return f"({shown}) or (({latest}) unless on ({', '.join(WHO[level])}) ({lost}))"


def live(level: Level, labels: Mapping[str, str] = NO_LABELS) -> str:
    """PromQL: how many runs of each job, or of each step, are live, by their heartbeats."""
    return f"{rules.live(level)}{_selector(labels)}"


def lost(window: str, labels: Mapping[str, str] = NO_LABELS) -> str:
    """PromQL: how many runs of each job were lost within a window such as `1h`: started, not completed, not live.

    A process that is killed reports nothing; it is counted within 5 minutes. Where many runs of one job end within
    2 minutes, as many may be counted later. Jobs without heartbeats, such as DAG runs, are left out.
    """
    by, selector = _by(WHO["job"]), _selector(labels)
    window_before = f"[{window}] offset {rules.LIVE}s"
    started = f"sum{by} (sum_over_time({rules.increment('batch_job_runs_started_total')}{selector}{window_before}))"
    ended = f"sum{by} (sum_over_time({rules.increment('batch_job_completions_total')}{selector}{window_before}))"
    alive = f"sum{by} (max_over_time({rules.live('job')}{selector}[{rules.LIVE}s]))"
    at_start = f"sum{by} (min_over_time({rules.live('job')}{selector}[{rules.LIVE}s] offset {window}))"
    return f"clamp_min({started} + ({at_start} or {started} * 0) - ({ended} or {started} * 0) - {alive}, 0)"


def last_reached(level: Level, state: str, labels: Mapping[str, str] = NO_LABELS) -> str:
    """PromQL: the Unix time at which each job or step entered `state`, one of `signals.STATES`, for the last time."""
    return f"{rules.maximum(signals.metric(f'batch.{level}.state.timestamp'))}{_selector({**labels, 'state': state})}"


def last_evaluation() -> str:
    """PromQL: Unix time of the last evaluation of the rules that had a result."""
    return "max(timestamp(batch_job_runs_started:seen))"


def of_service(service: str) -> str:
    """PromQL: every series of the runs of a service, including recorded ones."""
    return f'{{__name__=~"batch_.+", job={quoted(service)}}}'


def number_of_series(service: str) -> str:
    """PromQL: how many series the runs of a service have, including recorded ones."""
    return f"count({of_service(service)})"


def _by(labels: Sequence[str]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""


def _selector(labels: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{key}={quoted(text)}" for key, text in labels.items()) + "}" if labels else ""
