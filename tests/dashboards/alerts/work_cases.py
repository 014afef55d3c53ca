"""Cases of the alerts about what runs do."""

from __future__ import annotations

from typing import Final

from tests.dashboards.alerts.alert_case import AlertCase, Firing
from tests.dashboards.alerts.job_cases import DEV, LOAD, NIGHTLY, OWNED, PROD, ended, series


def total(name: str, who: dict[str, str] = LOAD, **more: str) -> str:
    """Return a total of a job, such as `records_failed`."""
    return series(f"batch_job_{name}_total", who, **more)


def bucket(bound: str) -> str:
    """Return a bucket of the times that runs of a job waited."""
    return series("batch_job_queue_wait_seconds_bucket", LOAD, le=bound)


GREEN: Final = Firing(
    LOAD,
    "load succeeded with no record",
    f"1 runs succeeded within the last hour, and 3 hours have no record ({PROD}).",
)
STANDING: Final = Firing(
    LOAD, "load makes no progress", f"The job has heartbeats, and has processed no record for 15 minutes ({PROD})."
)


def rejected(share: str, who: dict[str, str] = LOAD) -> Firing:
    """Return the alert about a share of failed records."""
    return Firing(
        who, f"{who['job_name']}: {share} of records failed", f"{share} of the last hour's records failed ({PROD})."
    )


def stale(age: str) -> Firing:
    """Return the alert about data that is so old."""
    return Firing(OWNED, "nightly: data is stale", f"The newest data is {age} old; 2h is allowed ({PROD}).")


CASES: Final = (
    AlertCase(
        "BatchGreenTick",
        "a run succeeds with no record, four hours after one with records",
        {total("records_processed"): "z 100x100", ended(LOAD, "success"): "z 1x48 2x100"},
        {"30m": [], "245m": [], "250m": [GREEN], "300m": [GREEN], "330m": []},
        interval="5m",
    ),
    AlertCase(
        "BatchGreenTick",
        "the records were processed an hour and a half before the run ended",
        {total("records_processed"): "z 100x30 200x100", ended(LOAD, "success"): "z 1x48 2x100"},
        {"250m": [], "300m": []},
        interval="5m",
    ),
    AlertCase(
        "BatchGreenTick",
        "a run of 9 hours processed its records in the first 5",
        {
            total("records_processed"): "z 1000x60 60000x90",
            ended(LOAD, "success"): "z 0x107 1x40",
            series("batch_job_state_timestamp_seconds", LOAD, state="running"): "0x150",
        },
        {"540m": [], "550m": [], "600m": []},
        interval="5m",
    ),
    AlertCase(
        "BatchGreenTick",
        "a job that never has records, and one in another environment that does",
        {
            ended(LOAD, "success"): "z 1x48 2x100",
            total("records_processed", DEV): "z 100x48 200x100",
            ended(DEV, "success"): "z 1x48 2x100",
        },
        {"250m": [], "300m": []},
        interval="5m",
    ),
    AlertCase(
        "BatchFailedRecordsHigh",
        "6 of 100 records fail, then an hour passes",
        {total("records_processed"): "_x59 z 94x400", total("records_failed"): "_x59 z 6x400"},
        {"14m": [], "15m": [rejected("6%")], "70m": [rejected("6%")], "95m": []},
    ),
    AlertCase(
        "BatchFailedRecordsHigh",
        "5 of 100 records fail: the limit itself",
        {total("records_processed"): "_x59 z 95x400", total("records_failed"): "_x59 z 5x400"},
        {"15m": [], "60m": []},
    ),
    AlertCase(
        "BatchFailedRecordsHigh",
        "all records fail, the first ever",
        {total("records_failed", NIGHTLY): "_x59 z 3x400"},
        {"14m45s": [], "15m": [rejected("100%", OWNED)]},
    ),
    AlertCase(
        "BatchZeroThroughput",
        "progress stops after 30 minutes, and the run ends after an hour",
        {total("alive_time_seconds"): "0+60x60 3600x140", total("progress"): "0+10x30 300x170"},
        {"29m": [], "44m": [], "45m": [STANDING], "60m": [STANDING], "68m": []},
        interval="1m",
    ),
    AlertCase(
        "BatchZeroThroughput",
        "20 parallel runs start and make no progress in their first minutes",
        {total("alive_time_seconds"): "0+60x60 3600x120 3600+1200x40", total("progress"): "0+10x60 600x160"},
        {"182m": [], "185m": [], "190m": []},
        interval="1m",
    ),
    AlertCase(
        "BatchZeroThroughput",
        "a job that never reports progress, and one in another environment that goes on",
        {
            total("alive_time_seconds"): "0+60x200",
            total("alive_time_seconds", DEV): "0+60x200",
            total("progress", DEV): "0+10x200",
        },
        {"45m": [], "120m": []},
        interval="1m",
    ),
    AlertCase(
        "BatchRetryStorm",
        "11 retries, then an hour passes",
        {total("retries"): "_x59 z 11x400"},
        {
            "14m": [],
            "15m": [
                Firing(LOAD, "load: 11 retries within an hour", f"11 attempts of the last hour were retries ({PROD}).")
            ],
            "95m": [],
        },
    ),
    AlertCase("BatchRetryStorm", "10 retries: the limit itself", {total("retries"): "_x59 z 10x400"}, {"15m": []}),
    AlertCase(
        "BatchQueueWaitHigh",
        "10 runs wait for more than 15 minutes",
        {bucket("900"): "_x59 z 0x400", bucket("1800"): "_x59 z 10x400", bucket("+Inf"): "_x59 z 10x400"},
        {
            "14m": [],
            "15m": [
                Firing(
                    LOAD, "load waits to start", f"95% of the last hour's runs waited up to 29m 15s to start ({PROD})."
                )
            ],
            "95m": [],
        },
    ),
    AlertCase(
        "BatchQueueWaitHigh",
        "1 of 25 runs waits for more than 15 minutes",
        {bucket("900"): "_x59 z 24x400", bucket("1800"): "_x59 z 25x400", bucket("+Inf"): "_x59 z 25x400"},
        {"15m": [], "60m": []},
    ),
    AlertCase(
        "BatchDataStale",
        "the newest data is more than two hours old, then new data arrives",
        {series("batch_job_data_timestamp_seconds", NIGHTLY): "60x150 9060x100"},
        {"121m": [], "122m": [stale("2h 1m 0s")], "150m": [stale("2h 29m 0s")], "167m": []},
        interval="1m",
    ),
    AlertCase(
        "BatchDataStale",
        "the collector is away for an hour while it fires",
        {series("batch_job_data_timestamp_seconds", NIGHTLY): "60x125 _x60 60x20"},
        {"121m": [], "122m": [stale("2h 1m 0s")], "180m": [stale("2h 59m 0s")]},
        interval="1m",
    ),
    AlertCase(
        "BatchDataStale",
        "a job without a limit",
        {series("batch_job_data_timestamp_seconds", LOAD): "60x300"},
        {"122m": [], "300m": []},
        interval="1m",
    ),
    AlertCase(
        "BatchDataQualityLow",
        "two scores of 0.8 on average, then an hour passes",
        {
            series("batch_job_data_quality_score_sum", LOAD): "_x59 z 1.6x400",
            series("batch_job_data_quality_score_count", LOAD): "_x59 z 2x400",
        },
        {
            "14m": [],
            "15m": [
                Firing(
                    LOAD,
                    "load: quality score 0.80",
                    f"The mean quality score of the last hour is 0.80, below 0.9 ({PROD}).",
                )
            ],
            "95m": [],
        },
    ),
    AlertCase(
        "BatchDataQualityLow",
        "two scores of 0.9: the limit itself",
        {
            series("batch_job_data_quality_score_sum", LOAD): "_x59 z 1.8x400",
            series("batch_job_data_quality_score_count", LOAD): "_x59 z 2x400",
        },
        {"15m": [], "60m": []},
    ),
)
