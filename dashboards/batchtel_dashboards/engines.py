"""How totals are read, by the way in which the collector adds points up: `exact`, or `stock` with recording rules.

Each method returns PromQL. Durations are whole seconds, so that an offset can be added to them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final, Literal

from batchtel.schema import signals
from batchtel_dashboards import rules

Level = Literal["job", "step"]

Window = int | str
"""Whole seconds, or a variable of a dashboard such as `$__interval`, to which no offset can be added."""

GAP: Final = 6 * 3600
"""Seconds without a sample after which the total before a window is not found: a collector may be away for so long."""


class Engine(ABC):
    """One of the two ways; `EXACT` and `STOCK` are the only ones."""

    @abstractmethod
    def increase(self, total: str, selector: str, window: Window, offset: int = 0) -> str:
        """Return what was added to a running total within `window` seconds, `offset` seconds ago, per series."""

    @abstractmethod
    def growth(self, total: str, selector: str, window: int) -> str:
        """Return the same for long windows, where only whether anything was added matters, per series.

        Cheaper, and without what a collector that has been away for more than GAP seconds had added.
        """

    @abstractmethod
    def trend(self, total: str, selector: str) -> str:
        """Return what was added within one step of a chart, per series; for quantiles and heat maps.

        Cheaper than increase() where a total has many series. Where increase() of Prometheus is used, it extrapolates.
        """

    @abstractmethod
    def rate(self, total: str, selector: str) -> str:
        """Return what was added a second within one step of a chart, per series."""

    @abstractmethod
    def maximum(self, metric: signals.Metric, selector: str) -> str:
        """Return the greatest value of a maximum so far, per series."""

    @abstractmethod
    def kept_maximum(self, metric: signals.Metric, selector: str) -> str:
        """Return the same, also while a collector is away, for up to GAP seconds; for alerts about what is old."""

    @abstractmethod
    def maximum_name(self, metric: signals.Metric) -> str:
        """Return the name of the series that has the greatest value of a maximum."""

    @abstractmethod
    def live(self, level: Level, selector: str, offset: int = 0) -> str:
        """Return how many runs of a job or step were live by their heartbeats `offset` seconds ago, per series."""

    @abstractmethod
    def extreme_live(self, which: Literal["min", "max"], level: Level, selector: str, offset: int = 0) -> str:
        """Return the least or the greatest of `live` in the last `rules.LIVE` seconds, `offset` seconds ago."""

    @abstractmethod
    def last_evaluation(self) -> str:
        """Return the Unix time of the newest samples from which counts are read."""


class _Exact(Engine):
    """Totals that never fall, each with a zero before its first value: no recording rule is needed."""

    def increase(self, total: str, selector: str, window: Window, offset: int = 0) -> str:
        within = f"[{_duration(window)}]{_offset(offset)}"
        now, first = f"last_over_time({total}{selector}{within})", f"min_over_time({total}{_ours(selector)}{within})"
        before = f"last_over_time({total}{selector}[{GAP}s]{_offset(offset, window)})"
        # increase() extrapolates, so its counts are no whole numbers. `first` is the zero of a new series, and the old
        # total of one that was away for longer than GAP; series of `stock` have no zero. The last `or`: an expired
        # series starts again at 0.
        return f"sum without (instance) ((({now} - ({before} or {first} or {now} * 0)) >= 0) or {now} * 1)"

    def growth(self, total: str, selector: str, window: int) -> str:
        now = f"last_over_time({total}{selector}[{GAP}s])"
        before = f"last_over_time({total}{selector}[{GAP}s] offset {window}s)"
        return f"sum without (instance) (({now} - {before}) >= 0 or {now} * 1)"

    def trend(self, total: str, selector: str) -> str:
        return f"increase({total}{selector}[$__rate_interval])"

    def rate(self, total: str, selector: str) -> str:
        return f"rate({total}{selector}[$__rate_interval])"

    def maximum(self, metric: signals.Metric, selector: str) -> str:
        return f"max without (instance) ({metric.prometheus_name}{selector})"

    def kept_maximum(self, metric: signals.Metric, selector: str) -> str:
        return f"max without (instance) (last_over_time({metric.prometheus_name}{selector}[{GAP}s]))"

    def maximum_name(self, metric: signals.Metric) -> str:
        return metric.prometheus_name

    def live(self, level: Level, selector: str, offset: int = 0) -> str:
        return f"round({self.increase(_beats(level), selector, rules.LIVE, offset)} / {rules.LIVE})"

    def extreme_live(self, which: Literal["min", "max"], level: Level, selector: str, offset: int = 0) -> str:
        return f"{which}_over_time({self.live(level, selector)}[{rules.LIVE}s:15s]{_offset(offset)})"

    def last_evaluation(self) -> str:
        return "max(timestamp(batch_job_runs_started_total))"


class _Stock(Engine):
    """Totals that start again after each restart, without a zero: recording rules keep what was added."""

    def increase(self, total: str, selector: str, window: Window, offset: int = 0) -> str:
        return f"sum_over_time({rules.increment(total)}{selector}[{_duration(window)}]{_offset(offset)})"

    def growth(self, total: str, selector: str, window: int) -> str:
        # Two halves: promtool reads 10,000 samples of a query at most, and a week of minutes has more.
        half = window // 2
        return f"({self.increase(total, selector, half)} > 0 or {self.increase(total, selector, half, half)})"

    def trend(self, total: str, selector: str) -> str:
        return self.increase(total, selector, "$__interval")

    def rate(self, total: str, selector: str) -> str:
        return f"({self.trend(total, selector)} * 1000 / $__interval_ms)"

    def maximum(self, metric: signals.Metric, selector: str) -> str:
        return f"{rules.maximum(metric)}{selector}"

    def kept_maximum(self, metric: signals.Metric, selector: str) -> str:
        # The rule reads what it has recorded itself for as long as that.
        return self.maximum(metric, selector)

    def maximum_name(self, metric: signals.Metric) -> str:
        return rules.maximum(metric)

    def live(self, level: Level, selector: str, offset: int = 0) -> str:
        return f"{rules.live(level)}{selector}{_offset(offset)}"

    def extreme_live(self, which: Literal["min", "max"], level: Level, selector: str, offset: int = 0) -> str:
        return f"{which}_over_time({rules.live(level)}{selector}[{rules.LIVE}s]{_offset(offset)})"

    def last_evaluation(self) -> str:
        return "max(timestamp(batch_job_runs_started:seen))"


def _ours(selector: str) -> str:
    """Return the selector without series that `stock` has written, before a move: they have the label `boot`."""
    return f'{selector[:-1]}, boot=""}}' if selector else '{boot=""}'


def _beats(level: Level) -> str:
    return f"batch_{level}_alive_time_seconds_total"


def _duration(window: Window) -> str:
    return window if isinstance(window, str) else f"{window}s"


def _offset(seconds: int, window: Window = 0) -> str:
    """Return the offset of `seconds` and a window before them."""
    if isinstance(window, int):
        return f" offset {seconds + window}s" if seconds + window else ""
    if seconds:
        raise ValueError(f"{window} is a variable of a dashboard; {seconds} s cannot be added to it")
    return f" offset {window}"


EXACT: Final[Engine] = _Exact()
STOCK: Final[Engine] = _Stock()

ENGINES: Final = {"exact": EXACT, "stock": STOCK}
"""By `aggregation` of an environment."""
