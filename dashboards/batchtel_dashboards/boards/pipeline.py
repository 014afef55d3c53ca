"""Pipeline health: whether the collector accepts, keeps and delivers what jobs send."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from batchtel_dashboards import collector_queries as collector
from batchtel_dashboards import queries
from batchtel_dashboards.boards.board import Board, Section
from batchtel_dashboards.boards.panels import ANY_IS_BAD, NO_LIMIT, TIME, Link, Panel, Query, Text, chart, single
from batchtel_dashboards.boards.sources import PROMETHEUS
from batchtel_dashboards.engines import EXACT, Engine

_FLEET: Final = (Link("Fleet", f"/d/batch-fleet?{TIME}"),)
_WHAT: Final = {"metric_points": "data points", "spans": "spans", "log_records": "log records"}


def board(engine: Engine) -> Board:
    """Return the board for one way of adding up."""
    return Board(
        title="Batch: pipeline health",
        description="Does everything that jobs send arrive? Look here before you trust an empty or quiet board.",
        sources=(PROMETHEUS,),
        variables=(),
        sections=(
            Section("Now, and the last hour", _now(engine)),
            Section("What arrives", _arrives()),
            Section("What is queued and delivered", _delivered()),
            Section("Series", _series(engine)),
        ),
        span="6h",
    )


def _now(engine: Engine) -> list[Panel]:
    return [
        single(
            Text(
                "Newest sample of jobs",
                "Seconds since the newest sample from which the other boards count. The collector writes every series "
                "every 15 s, so yellow from 60 s and red from 5 minutes on mean that their numbers are old.",
                _FLEET,
            ),
            "s",
            f"time() - {queries.last_evaluation(engine)}",
            ((None, "green"), (60, "yellow"), (300, "red")),
        ),
        _count("Data points dropped, 1 h", collector.dropped("1h"), _DROPPED),
        _count("Points without a series of their own, 1 h", collector.overflowed("1h"), _OVERFLOWED),
        _count("Rejected at a full queue, 1 h", _all(collector.not_queued, "1h"), _FULL, bad=1),
        single(
            Text(
                "Fullest queue",
                "How full the fullest queue of a destination is. At 100 % the collector refuses what jobs send, and "
                "jobs send it again as long as they run. Yellow from 50 %, red from 80 % on.",
                _FLEET,
            ),
            "percentunit",
            f"max({collector.queue_fill()})",
            ((None, "green"), (0.5, "yellow"), (0.8, "red")),
        ),
        single(
            Text(
                "Oldest queued item",
                "Upper bound of how long something has waited for its destination. It grows while a destination is "
                "away. Yellow from 2 minutes, red from 15 minutes on.",
                _FLEET,
            ),
            "s",
            f"max({collector.queue_age()})",
            ((None, "green"), (120, "yellow"), (900, "red")),
        ),
    ]


_DROPPED: Final = (
    "Data points that the collector dropped within an hour; the chart by reason shows why. No data if it has dropped "
    "none since it started. Red from the first one on, but for reasons that you configured, `unwanted` and `airflow`."
)
_OVERFLOWED: Final = (
    "Points of new label sets beyond series_limit within an hour: with exact they are in overflow series, which keep "
    "the sum, with stock they are dropped. Red from the first one on. No data if there were none."
)
_FULL: Final = (
    "Data points, spans and log records that found a full queue within an hour; the sender got an error and sends them "
    "again. Red from the first one on. No data if there were none."
)


def _count(title: str, query: str, description: str, bad: int = 1) -> Panel:
    return single(
        Text(title, description, _FLEET), "none", f"sum({query})", ((None, "green"), (bad, "red")), decimals=0
    )


def _all(query: collector.PerSignal, window: str) -> str:
    return " or ".join(f'label_replace({query(one, window)}, "signal", "{one}", "", "")' for one in collector.SIGNALS)


def _per_signal(query: collector.PerSignal, legend: str) -> Sequence[Query]:
    return [Query(query(one, "5m"), f"{_WHAT[one]}, {legend}") for one in collector.SIGNALS]


def _arrives() -> list[Panel]:
    return [
        chart(
            Text(
                "Accepted in 5 minutes",
                "What the collector accepted from jobs within the 5 minutes before each point. 0 at a time when jobs "
                "run means that they do not reach it.",
                _FLEET,
            ),
            "none",
            _per_signal(collector.accepted, "{{instance}} {{receiver}}"),
        ),
        chart(
            Text(
                "Refused in 5 minutes",
                "What the collector refused because of memory or a full queue. Senders send it again; a job that ends "
                "before loses it, unless it has a spool. Red from the first one on.",
                _FLEET,
            ),
            "none",
            _per_signal(collector.refused, "{{instance}} {{receiver}}"),
            ANY_IS_BAD,
        ),
        chart(
            Text(
                "Dropped in 5 minutes, by reason",
                "Data points that were dropped, by the reason that operations.md explains. No line if none was dropped "
                "since the collector started.",
                _FLEET,
            ),
            "none",
            [Query(collector.dropped("5m"), "{{instance}} {{reason}}")],
            ANY_IS_BAD,
        ),
        chart(
            Text(
                "Histogram points with other buckets, 5 minutes",
                "Points of another layout of buckets than their series: counts and sums stay exact, quantiles become "
                "upper bounds. Only with exact; no line if there were none.",
                _FLEET,
            ),
            "none",
            [Query(collector.rebucketed("5m"), "{{instance}}")],
            ANY_IS_BAD,
        ),
    ]


def _delivered() -> list[Panel]:
    return [
        chart(
            Text(
                "Fill of each queue",
                "From 0 to 100 % for each destination. A line that only rises is a destination that is away or too "
                "slow. The lines are 50 % and 80 %.",
                _FLEET,
            ),
            "percentunit",
            [Query(collector.queue_fill(), "{{instance}} {{exporter}} {{data_type}}")],
            ((None, "green"), (0.5, "yellow"), (0.8, "red")),
            most=1,
        ),
        chart(
            Text(
                "Rejected at a full queue, 5 minutes",
                "What found no space in the queue of its destination. Each point above 0 is an error that a sender "
                "got. No line if there were none.",
                _FLEET,
            ),
            "none",
            [
                Query(collector.not_queued(one, "5m"), f"{_WHAT[one]}, {{{{instance}}}} {{{{exporter}}}}")
                for one in collector.SIGNALS
            ],
            ANY_IS_BAD,
        ),
    ]


def _series(engine: Engine) -> list[Panel]:
    return [
        chart(
            Text(
                "Series of the collector",
                "Live series of each collector, its limit is series_limit. It grows with jobs, steps and statuses, and "
                "never with runs: a line that rises with every run has an unbounded name in it.",
                _FLEET,
            ),
            "none",
            [Query(collector.series() if engine is EXACT else collector.series_of_stock(), "{{instance}}")],
        ),
        chart(
            Text(
                "Series of jobs in Prometheus",
                "Everything whose name begins with batch_, recorded series included. It explains the size of "
                "Prometheus, and should follow the chart beside it.",
                _FLEET,
            ),
            "none",
            [Query(f"count({queries.OURS})", "series")],
            NO_LIMIT,
        ),
    ]
