"""Named queries of charts, made of those in `queries`: shares, ages, rates, and what a chart adds up at each step.

A query has no value where there is no data: none of them replaces a missing value by 0.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from batchtel.schema import signals
from batchtel_dashboards import queries
from batchtel_dashboards.engines import EXACT, Engine, Level
from batchtel_dashboards.queries import COUNTED, NO_LABELS, HistogramPart

STEP: Final = "$__interval"
"""The time between two points of a chart, as a window: each increment is in one point."""

STATE_CODES: Final = {state: code for code, state in enumerate(signals.STATES)}
"""The number of each state in state_code(): charts of states need numbers."""


def share_of_ended(
    status: str,
    window: str,
    *,
    level: Level = "job",
    by: Sequence[str] = (),
    labels: Mapping[str, str] = NO_LABELS,
    ago: str = "0s",
    engine: Engine = EXACT,
) -> str:
    """PromQL: the share of runs or steps that ended with `status`, of those in COUNTED.

    It is 0 where none has, and has no value where none has ended. Cancelled and skipped ones do not count.
    """
    name = f"batch.{level}.completions"
    part, ended = (
        queries.added(name, window, by=by, labels={**labels, "status": wanted}, ago=ago, engine=engine)
        for wanted in (status, COUNTED)
    )
    return f"({part} or {ended} * 0) / ({ended} > 0)"


def running(
    level: Level = "job",
    *,
    by: Sequence[str] = (),
    labels: Mapping[str, str] = NO_LABELS,
    engine: Engine = EXACT,
) -> str:
    """PromQL: how many runs or steps are live, by their heartbeats."""
    return f"sum{queries.by_clause(by)} ({queries.live(level, labels, engine=engine)})"


def lost(window: str, *, by: Sequence[str] = (), labels: Mapping[str, str] = NO_LABELS, engine: Engine = EXACT) -> str:
    """PromQL: how many runs were lost within a window, as queries.lost(): the least of what 3 minutes show.

    Parallel runs of less than 2 minutes look lost for a shorter time.
    """
    return f"sum{queries.by_clause(by)} (min_over_time(({queries.lost(window, labels, engine=engine)})[180s:60s]))"


def state_code(level: Level, *, labels: Mapping[str, str] = NO_LABELS, engine: Engine = EXACT) -> str:
    """PromQL: the current state of each job or step, as its number in STATE_CODES."""
    return f"sum{queries.by_clause(queries.WHO[level])} ({_by_state(level, STATE_CODES, labels, engine)})"


def in_states(
    level: Level,
    states: Collection[str],
    *,
    by: Sequence[str] = (),
    labels: Mapping[str, str] = NO_LABELS,
    engine: Engine = EXACT,
) -> str:
    """PromQL: how many jobs or steps are in one of these states now: 0 if none is, no value if there are no jobs."""
    counted = {state: int(state in states) for state in signals.STATES}
    return f"sum{queries.by_clause(by)} ({_by_state(level, counted, labels, engine)})"


def number_by_state(level: Level, *, labels: Mapping[str, str] = NO_LABELS, engine: Engine = EXACT) -> str:
    """PromQL: how many jobs or steps are in each state now."""
    return f"count by (state) ({queries.current_state(level, labels, engine=engine)})"


def _by_state(level: Level, numbers: Mapping[str, int], labels: Mapping[str, str], engine: Engine) -> str:
    """PromQL: for each job or step the number that `numbers` has for its current state."""
    states = " or ".join(
        f'label_replace(vector({number}), "state", "{state}", "", "")' for state, number in numbers.items()
    )
    current = queries.current_state(level, labels, engine=engine)
    return f"({current}) * 0 + on (state) group_left () ({states})"


def since(
    state: str,
    *,
    level: Level = "job",
    by: Sequence[str],
    labels: Mapping[str, str] = NO_LABELS,
    engine: Engine = EXACT,
) -> str:
    """PromQL: seconds since each job or step entered a state for the last time; no value if it never has."""
    return f"time() - max{queries.by_clause(by)} ({queries.last_reached(level, state, labels, engine=engine)})"


def data_age(*, by: Sequence[str], labels: Mapping[str, str] = NO_LABELS, engine: Engine = EXACT) -> str:
    """PromQL: seconds since the newest data that each job has reported."""
    return f"time() - max{queries.by_clause(by)} ({queries.newest_data(labels, engine=engine)})"


def mean(
    metric: str,
    window: str,
    *,
    by: Sequence[str] = (),
    labels: Mapping[str, str] = NO_LABELS,
    engine: Engine = EXACT,
) -> str:
    """PromQL: the mean of what was recorded in a histogram; no value where nothing was."""
    parts: tuple[HistogramPart, HistogramPart] = ("sum", "count")
    top, bottom = (queries.added(metric, window, by=by, labels=labels, part=part, engine=engine) for part in parts)
    return f"{top} / ({bottom} > 0)"


def rate(
    metric: str,
    *,
    by: Sequence[str] = (),
    labels: Mapping[str, str] = NO_LABELS,
    engine: Engine = EXACT,
) -> str:
    """PromQL: how much is added to a counter a second, at each step of a chart."""
    return f"sum{queries.by_clause(by)} ({engine.rate(queries.total(metric), queries.selector(labels))})"


def buckets(
    metric: str,
    *,
    by: Sequence[str] = (),
    labels: Mapping[str, str] = NO_LABELS,
    engine: Engine = EXACT,
) -> str:
    """PromQL: what was added to each bucket of a histogram at each step of a chart, for heat maps."""
    added = engine.trend(queries.total(metric, "bucket"), queries.selector(labels))
    return f"sum{queries.by_clause((*by, 'le'))} ({added})"


def quantile(
    metric: str,
    fraction: float,
    *,
    by: Sequence[str] = (),
    labels: Mapping[str, str] = NO_LABELS,
    engine: Engine = EXACT,
) -> str:
    """PromQL: the value that `fraction` (0 to 1) of what was recorded in one step of a chart does not exceed.

    Buckets are added before, over all jobs that `by` does not keep apart: quantiles themselves cannot be added.
    """
    return f"histogram_quantile({fraction}, {buckets(metric, by=by, labels=labels, engine=engine)})"


def kept_share(window: str, *, by: Sequence[str], labels: Mapping[str, str] = NO_LABELS, engine: Engine = EXACT) -> str:
    """PromQL: the share of runs that kept each rule of their SLA; `by` are labels of jobs.

    A run violates a rule at most once, so the share of one rule is exact. Runs that violate two rules count in both.
    """
    broken = queries.added("batch.job.sla.violations", window, by=(*by, "violation_type"), labels=labels, engine=engine)
    runs = queries.added("batch.job.completions", window, by=by, labels=labels, engine=engine)
    return f"clamp_min(1 - {broken} / on ({', '.join(by)}) group_left () ({runs} > 0), 0)"


def budget_left(
    window: str, objective: str, *, by: Sequence[str], labels: Mapping[str, str] = NO_LABELS, engine: Engine = EXACT
) -> str:
    """PromQL: the share of the violations that `objective` allows which is left; below 0 the objective is missed.

    With an objective of 0.99 and 1,000 runs in the window 10 violations of a rule are allowed; after 4 of them 0.6 is
    left.
    """
    return f"1 - (1 - ({kept_share(window, by=by, labels=labels, engine=engine)})) / (1 - {objective})"
