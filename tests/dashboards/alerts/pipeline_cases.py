"""Cases of the alerts about the collectors."""

from __future__ import annotations

from typing import Final

from tests.dashboards.alerts.alert_case import AlertCase, Firing


def queue(instance: str, name: str = "size") -> str:
    """Return the series of the queue of a collector."""
    exporter = 'exporter="otlp/jaeger",data_type="traces"'
    return f'otelcol_exporter_queue_{name}{{job="otelcol",instance="{instance}",{exporter}}}'


def down(instance: str) -> Firing:
    """Return the alert about a collector; about all with an empty name."""
    at = instance or "all"
    text = f"No metrics of the collector itself for 3 minutes ({at}). Jobs keep and spool what they can."
    return Firing({"instance": instance} if instance else {}, f"Collector down: {at}", text)


SENT: Final = 'otelcol_exporter_sent_spans_total{job="otelcol",instance="prod",exporter="otlp/jaeger"}'
WHERE: Final = {"instance": "prod", "exporter": "otlp/jaeger"}
FILTERED: Final = 'otelcol_processor_filter_datapoints_filtered_total{job="otelcol",instance="prod",filter="filter/%s"}'


def dropped(count: int, reason: str = "names") -> Firing:
    """Return the alert about data points that were dropped for a reason."""
    text = f"{count} data points of the last hour were dropped: {reason} (prod)."
    return Firing({"instance": "prod", "reason": reason}, f"prod drops data: {reason}", text)


def rollup(name: str) -> str:
    """Return a gauge of run_rollup."""
    return f'otelcol_processor_run_rollup_{name}{{job="otelcol",instance="prod"}}'


def near(limit: str, share: str) -> Firing:
    """Return the alert about a limit."""
    text = f"{share} of the limit {limit} are used (prod)."
    return Firing({"instance": "prod", "limit": limit}, f"prod is near its limit of {limit}", text)


CASES: Final = (
    AlertCase(
        "BatchSeriesLimitNear",
        "81% of the series and 90% of the writers, then less",
        {
            rollup("series"): "10x40 81x60 20x100",
            rollup("series_limit"): "100x200",
            rollup("writer_streams"): "10x40 900x60 20x100",
            rollup("writer_streams_limit"): "1000x200",
        },
        {
            "10m": [],
            "15m": [],
            "15m15s": [near("series", "81%"), near("writer_streams", "90%")],
            "25m": [near("series", "81%"), near("writer_streams", "90%")],
            "42m": [],
        },
        engines=("exact",),
    ),
    AlertCase(
        "BatchSeriesLimitNear",
        "81% of the streams",
        {
            'otelcol_deltatocumulative_streams_tracked{job="otelcol",instance="prod"}': "10x40 81x60 20x100",
            'otelcol_deltatocumulative_streams_limit{job="otelcol",instance="prod"}': "100x200",
        },
        {"15m": [], "15m15s": [near("series", "81%")], "42m": []},
        engines=("stock",),
    ),
    AlertCase(
        "BatchSeriesLimitNear",
        "80%: the limit itself; and no limit",
        {
            rollup("series"): "80x200",
            rollup("series_limit"): "100x200",
            rollup("writer_streams"): "900x200",
            rollup("writer_streams_limit"): "0x200",
        },
        {"20m": []},
    ),
    AlertCase(
        "BatchCollectorDown",
        "one of two collectors is away from minute 10 to 30",
        {queue("prod"): "0x40 _x80 0x100", queue("dev"): "0x400"},
        {"10m": [], "12m45s": [], "13m": [down("prod")], "30m": [down("prod")], "49m": [down("prod")], "51m": []},
    ),
    AlertCase(
        "BatchCollectorDown",
        "a restart of 2 minutes",
        {queue("prod"): "0x40 _x8 0x100"},
        {"12m": [], "14m": [], "16m": []},
    ),
    AlertCase("BatchCollectorDown", "there has never been one", {}, {"45s": [], "1m": [down("")], "20m": [down("")]}),
    AlertCase(
        "BatchQueueFilling",
        "a queue is 60% full for 10 minutes",
        {queue("prod"): "0x40 60x40 10x200", queue("prod", "capacity"): "100x400"},
        {
            "14m": [],
            "16m": [
                Firing(
                    WHERE,
                    "Queue otlp/jaeger of prod is filling",
                    "The queue is 60% full (prod). A full queue refuses requests.",
                )
            ],
            "40m": [],
        },
    ),
    AlertCase(
        "BatchQueueFilling",
        "it is half full: the limit itself",
        {queue("prod"): "50x200", queue("prod", "capacity"): "100x200"},
        {"30m": []},
    ),
    AlertCase(
        "BatchExportFailing",
        "a store is away from minute 10 to 30",
        {queue("prod"): "5x40 900x80 0x200", SENT: "0+10x40 400x80 500+10x200"},
        {
            "19m": [],
            "22m": [
                Firing(
                    WHERE,
                    "Nothing is delivered to otlp/jaeger by prod",
                    "900 bytes or requests are queued, and none was delivered for 10 minutes (prod).",
                )
            ],
            "52m": [],
        },
    ),
    AlertCase(
        "BatchExportFailing",
        "a collector starts with a full queue, and delivers after 3 minutes",
        {queue("prod"): "_x40 900x12 0x200", SENT: "_x52 900x200"},
        {"11m30s": [], "13m": [], "15m": []},
    ),
    AlertCase(
        "BatchExportFailing",
        "nothing is queued, so nothing is delivered",
        {queue("prod"): "0x200", SENT: "7x200"},
        {"30m": []},
    ),
    AlertCase(
        "BatchDataRejected",
        "data points are dropped for the first time; those of your own rule do not count",
        {FILTERED % "names": "_x60 3x400", FILTERED % "unwanted": "_x20 9x400", FILTERED % "airflow": "_x20 9x400"},
        {"14m45s": [], "15m": [dropped(3)], "70m": [dropped(3)], "95m": []},
    ),
    AlertCase("BatchDataRejected", "nothing more is dropped", {FILTERED % "names": "3x600"}, {"80m": []}),
    AlertCase(
        "BatchDataRejected",
        "nothing more is dropped, and an hour ago no sample arrived for 20 minutes",
        {FILTERED % "names": "3x300 _x80 3x400"},
        {"150m": [], "155m": [], "159m": []},
    ),
    AlertCase(
        "BatchDataRejected",
        "run_rollup rejects a point for the first time",
        {'otelcol_processor_run_rollup_rejected_total{instance="prod",reason="wrong_name"}': "_x60 1x100"},
        {"14m45s": [], "15m": [dropped(1, "wrong_name")]},
        engines=("exact",),
    ),
)
