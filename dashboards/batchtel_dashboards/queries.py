"""Named queries in PromQL, in one place; those of logs and traces are in `stores`, in the language of each product.

Every function returns the text of one query. `engine` is the way in which the collector adds points up. Values from
outside are quoted for the language, so a job name with a quote in it does not change the query.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from batchtel.schema import signals
from batchtel_dashboards import rules
from batchtel_dashboards.engines import EXACT, GAP, Engine, Level, Window
from batchtel_dashboards.stores.client import quoted

HistogramPart = Literal["count", "sum", "bucket"]

OURS: Final = '{__name__=~"batch_.+"}'
"""PromQL: every series of runs, including recorded ones."""

EVERYTHING: Final = '{__name__=~".+"}'
"""PromQL: every series in Prometheus."""

NO_LABELS: Final[Mapping[str, str]] = {}


class Pattern(str):
    """A regular expression (RE2) as the value of a label: the series whose whole value it matches."""

    __slots__ = ()


class Excluded(Pattern):
    """A regular expression (RE2) as the value of a label: the series whose whole value it does not match."""

    __slots__ = ()


FAILED: Final = Pattern("failure|timeout|lost")
"""Statuses of a run that has not done what it is for; `cancelled` and `skipped` are decisions."""

COUNTED: Final = Pattern("success|failure|timeout|lost")
"""Statuses that a share of successes or failures counts."""


def added(
    metric: str,
    window: str,
    *,
    by: Sequence[str] = (),
    labels: Mapping[str, str] = NO_LABELS,
    part: HistogramPart = "count",
    ago: str = "0s",
    engine: Engine = EXACT,
) -> str:
    """PromQL: the increase of a counter or histogram within a window; exact from the first increment on.

    Args:
        metric: OpenTelemetry name of a counter or histogram, such as `batch.job.completions`.
        window: how far back, such as `1h`, or a variable of a dashboard.
        by: the labels that the result keeps; one number for all series if there are none.
        labels: only series with these values; a Pattern matches several.
        part: which of a histogram's totals; not read for a counter.
        ago: how long ago the window ends, such as `7d`.
        engine: how the collector adds points up.

    Raises:
        ValueError: the metric is a maximum, or the window is no duration.
    """
    increase = engine.increase(total(metric, part), selector(labels), window_of(window), _seconds(ago))
    return f"sum{by_clause(by)} ({increase})"


def has_grown(metric: str, window: str, labels: Mapping[str, str] = NO_LABELS, *, engine: Engine = EXACT) -> str:
    """PromQL: the jobs that added anything to a counter within a window of days."""
    growth = engine.growth(total(metric), selector(labels), _seconds(window))
    return f"sum{by_clause(WHO['job'])} ({growth}) > 0"


def total(metric: str, part: HistogramPart = "count") -> str:
    """Return the name in Prometheus of a counter, or of one of a histogram's totals.

    Raises:
        ValueError: the metric is a maximum.
    """
    row = signals.metric(metric)
    names = rules.totals(row)
    if not names:
        raise ValueError(f"{metric} is a maximum and has no increase; use latest_state()")
    return names[0] if row.kind == "counter" else f"{row.prometheus_name}_{part}"


def quantile(
    metric: str,
    fraction: float,
    window: str,
    *,
    by: Sequence[str] = (),
    labels: Mapping[str, str] = NO_LABELS,
    engine: Engine = EXACT,
) -> str:
    """PromQL: the value of a histogram that `fraction` (0 to 1) of what was recorded in a window does not exceed."""
    buckets = added(metric, window, by=(*by, "le"), labels=labels, part="bucket", engine=engine)
    return f"histogram_quantile({fraction}, {buckets})"


WHO: Final[Mapping[Level, Sequence[str]]] = {
    "job": ("job", "deployment_environment_name", "job_name"),
    "step": ("job", "deployment_environment_name", "job_name", "step_name"),
}
"""The labels that identify a job, or a step: one name in two services or environments is two jobs. A type is none of
them: a job whose type changes goes on."""


def latest_state(level: Level, labels: Mapping[str, str] = NO_LABELS, *, engine: Engine = EXACT) -> str:
    """PromQL: for each job or step the state that it entered last; the value is the Unix time of the entry.

    A run whose process was killed stays `running` in it; current_state() shows it as lost.
    """
    row = signals.metric(f"batch.{level}.state.timestamp")
    return f"topk{by_clause(WHO[level])} (1, {engine.maximum(row, selector(labels))})"


def current_state(level: Level, labels: Mapping[str, str] = NO_LABELS, *, engine: Engine = EXACT) -> str:
    """PromQL: as latest_state(), but `lost` for a running job, and its steps, whose heartbeats have stopped.

    It changes 2 to 5 minutes after the last heartbeat. DAG runs have no heartbeat; Airflow reports its lost ones.
    """
    latest = latest_state(level, labels, engine=engine)
    lost = silent(level, labels, engine=engine)
    shown = f'label_replace({lost}, "state", "lost", "", "")'
    return f"({shown}) or (({latest}) unless on ({', '.join(WHO[level])}) ({lost}))"


def silent(level: Level, labels: Mapping[str, str] = NO_LABELS, *, engine: Engine = EXACT) -> str:
    """PromQL: jobs or steps that run by their latest state and have no heartbeats any more; the time of that state.

    Jobs without heartbeats are left out.
    """
    latest = latest_state(level, labels, engine=engine)
    row = signals.metric(f"batch.{level}.state.timestamp")
    running = selector({**labels, "state": Pattern("running|retrying")})
    stopped = f"(sum{by_clause(WHO['job'])} ({engine.extreme_live('max', 'job', '')}) == 0)"
    recent = f"({engine.maximum(row, running)} < time() - {rules.LIVE})"
    return f"(({latest}) and {recent}) and on ({', '.join(WHO['job'])}) {stopped}"


def succeeded(labels: Mapping[str, str] = NO_LABELS, *, engine: Engine = EXACT) -> str:
    """PromQL: the Unix time of the last success of each job, for those that have ever succeeded.

    It is there for 6 hours while a collector is away.
    """
    row = signals.metric("batch.job.state.timestamp")
    reached = engine.kept_maximum(row, selector({**labels, "state": "success"}))
    return f"max{by_clause(WHO['job'])} ({reached})"


def first_seen_before(window: str, labels: Mapping[str, str] = NO_LABELS, *, engine: Engine = EXACT) -> str:
    """PromQL: the jobs that had entered any state before a window such as `1d`, with or without a success."""
    row = signals.metric("batch.job.state.timestamp")
    return (
        f"max{by_clause(WHO['job'])} (max_over_time({engine.maximum_name(row)}{selector(labels)}[1h] offset {window}))"
    )


def had_succeeded(window: str, labels: Mapping[str, str] = NO_LABELS, *, engine: Engine = EXACT) -> str:
    """PromQL: the jobs with a last success now, or at 20 moments of a window, also of an instance that is gone."""
    row = signals.metric("batch.job.state.timestamp")
    success = f"{engine.maximum_name(row)}{selector({**labels, 'state': 'success'})}"
    by = by_clause(WHO["job"])
    past = f"max{by} (max_over_time({success}[{window}:{max(_seconds(window) // 20, 60)}s]))"
    # What first_seen_before() sees: an instance may end before the first of the 20 moments.
    before = f"max{by} (max_over_time({success}[1h] offset {window}))"
    return f"({past} or {before} or {succeeded(labels, engine=engine)})"


def never_seen(labels: Mapping[str, str], *, engine: Engine = EXACT) -> str:
    """PromQL: 1 where no series has these labels for 6 hours, because no run has ever entered a state."""
    row = signals.metric("batch.job.state.timestamp")
    return f"absent_over_time({engine.maximum_name(row)}{selector(labels)}[{GAP}s])"


def live(level: Level, labels: Mapping[str, str] = NO_LABELS, *, engine: Engine = EXACT) -> str:
    """PromQL: how many runs of each job, or of each step, are live, by their heartbeats."""
    return engine.live(level, selector(labels))


def lost(window: str, labels: Mapping[str, str] = NO_LABELS, *, engine: Engine = EXACT) -> str:
    """PromQL: how many runs of each job were lost within a window such as `1h`: started, not completed, not live.

    A process that is killed reports nothing; it is counted within 5 minutes. Where many runs of one job end within
    2 minutes, as many may be counted later. Jobs without heartbeats, such as DAG runs, are left out.
    """
    by, series, seconds = by_clause(WHO["job"]), selector(labels), _seconds(window)
    started = f"sum{by} ({engine.increase('batch_job_runs_started_total', series, seconds, rules.LIVE)})"
    ended = f"sum{by} ({engine.increase('batch_job_completions_total', series, seconds, rules.LIVE)})"
    alive = f"sum{by} ({engine.extreme_live('max', 'job', series)})"
    # Of a job that has just appeared, also after a restart of a collector, there is no zero that would be the least.
    least, before = engine.extreme_live("min", "job", series, seconds), engine.live("job", series, seconds + rules.LIVE)
    at_start = f"sum{by} ({least} and {before})"
    return f"clamp_min({started} + ({at_start} or {started} * 0) - ({ended} or {started} * 0) - {alive}, 0)"


def last_reached(level: Level, state: str, labels: Mapping[str, str] = NO_LABELS, *, engine: Engine = EXACT) -> str:
    """PromQL: the Unix time at which each job or step entered `state`, one of `signals.STATES`, for the last time."""
    row = signals.metric(f"batch.{level}.state.timestamp")
    return engine.maximum(row, selector({**labels, "state": state}))


def newest_data(labels: Mapping[str, str] = NO_LABELS, *, engine: Engine = EXACT) -> str:
    """PromQL: the Unix time of the newest data that each job has reported; for 6 hours while a collector is away."""
    return engine.kept_maximum(signals.metric("batch.job.data.timestamp"), selector(labels))


def last_evaluation(engine: Engine = EXACT) -> str:
    """PromQL: Unix time of the newest samples from which counts are read."""
    return engine.last_evaluation()


def of_service(service: str) -> str:
    """PromQL: every series of the runs of a service, including recorded ones."""
    return f'{{__name__=~"batch_.+", job={quoted(service)}}}'


def number_of_series(service: str) -> str:
    """PromQL: how many series the runs of a service have, with those by which counts are read.

    The means that `baselines` records are not in it: they appear minutes later, and not for each job.
    """
    counted = f'{{__name__=~"batch_.+", __name__!~".+:(mean|longest|fewest).+", job={quoted(service)}}}'
    return f"count({counted})"


_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def window_of(window: str) -> Window:
    """Return the seconds of a duration; a variable of a dashboard as it is."""
    return window if window.startswith("$") else _seconds(window)


def _seconds(window: str) -> int:
    """Return the seconds of a duration such as `90s` or `1h`."""
    found = re.fullmatch(r"([0-9]+)([smhdw])", window)
    if found is None:
        raise ValueError(f"{window!r} is no duration; write a number and s, m, h, d or w, such as 1h")
    return int(found[1]) * _UNITS[found[2]]


def by_clause(labels: Sequence[str]) -> str:
    """Return the clause of an aggregation that keeps `labels`; none for one number over all series."""
    return f" by ({', '.join(labels)})" if labels else ""


def selector(labels: Mapping[str, str]) -> str:
    """Return the selector of series with these values of labels."""
    return (
        "{" + ", ".join(f"{key}{_operator(text)}{quoted(text)}" for key, text in labels.items()) + "}" if labels else ""
    )


def _operator(text: str) -> str:
    return "!~" if isinstance(text, Excluded) else "=~" if isinstance(text, Pattern) else "="
