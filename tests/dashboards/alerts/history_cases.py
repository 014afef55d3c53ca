"""Cases of the alerts about jobs that do not behave as they did before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from batchtel_dashboards import baselines
from tests.dashboards.alerts.alert_case import AlertCase, Firing
from tests.dashboards.alerts.job_cases import DEV, LOAD, NIGHTLY, OWNED, PROD, course, ended, series

DAY: Final = 24
WEEK: Final = 7 * DAY


def totals(runs: Sequence[float], hours: int) -> tuple[str, str]:
    """Return the samples of a sum and a count, one an hour: a run of so many seconds, or records, each so many hours.

    The first sample of each is a zero, which exact has only.
    """
    sums, counts, total = "z", "z", 0.0
    for number, value in enumerate(runs, start=1):
        total += value
        sums += f" {total:g}x{hours - 1}"
        counts += f" {number}x{hours - 1}"
    return sums, counts


def lasting(who: dict[str, str], runs: Sequence[float], hours: int = DAY) -> dict[str, str]:
    """Return the durations of the successful runs of a job, one each so many hours."""
    sums, counts = totals(runs, hours)
    name = "batch_job_duration_seconds"
    return {
        series(f"{name}_sum", who, status="success"): sums,
        series(f"{name}_count", who, status="success"): counts,
    }


def processing(who: dict[str, str], runs: Sequence[float], hours: int = DAY) -> dict[str, str]:
    """Return the records and the successful runs of a job, one each so many hours."""
    sums, counts = totals(runs, hours)
    return {series("batch_job_records_processed_total", who): sums, ended(who, "success"): counts}


def slow(times: str, who: dict[str, str] = LOAD) -> Firing:
    """Return the alert about a job that lasts so many times as long."""
    text = f"Runs last {times} times as long as the longest of the same hour before ({PROD})."
    return Firing(who, f"{who['job_name']} lasts longer than usual", text)


def few(share: str, who: dict[str, str] = LOAD) -> Firing:
    """Return the alert about a job that processes such a share."""
    text = f"Runs process {share} of the fewest records of the same hour before ({PROD})."
    return Firing(who, f"{who['job_name']} processes fewer records than usual", text)


def _case(alert: str, story: str, samples: dict[str, str], fires: dict[str, list[Firing]]) -> AlertCase:
    return AlertCase(alert, story, samples, fires, "1h")


def hour(number: int) -> str:
    """Return the time of an hour since time 0."""
    return f"{number}h"


WRITTEN: Final = 'instance="standalone-0",job_type="batch",'
"""Labels that a rule does not record."""

CASES: Final = (
    _case(
        "BatchDurationAnomaly",
        "a daily run lasts 3 times as long as the longest of 7 days, and the next one is as before",
        lasting(LOAD, [100, 200, *[100] * 5, 600, 100]),
        {hour(7 * DAY): [], hour(7 * DAY + 1): [slow("3")], hour(7 * DAY + 3): [], hour(8 * DAY + 1): []},
    ),
    _case(
        "BatchDurationAnomaly",
        "it lasts twice as long: the limit itself; in another environment there are 2 earlier runs only",
        {**lasting(LOAD, [100, 200, *[100] * 5, 400]), **lasting(DEV, [100, 100, 900], 2 * DAY)},
        {hour(7 * DAY + 1): [], hour(7 * DAY + 2): []},
    ),
    _case(
        "BatchDurationAnomaly",
        "a short run lasts 6 times as long, and 50 seconds more",
        lasting(LOAD, [*[10] * 7, 60]),
        {hour(7 * DAY + 1): []},
    ),
    _case(
        "BatchDurationAnomaly",
        "a weekly run lasts 3 times as long as those of 3 weeks; it has an owner",
        lasting(NIGHTLY, [100, 100, 100, 300], WEEK),
        {hour(2 * WEEK + 1): [], hour(3 * WEEK): [], hour(3 * WEEK + 1): [slow("3", OWNED)]},
    ),
    _case(
        "BatchDurationAnomaly",
        "a daily run lasts 9 times as long within the first week: it may be that of Sunday",
        lasting(LOAD, [*[100] * 5, 900]),
        {hour(5 * DAY + 1): []},
    ),
    _case(
        "BatchDurationAnomaly",
        "the third weekly run: there is no baseline",
        lasting(LOAD, [100, 100, 300], WEEK),
        {hour(2 * WEEK + 1): []},
    ),
    _case(
        "BatchDurationAnomaly",
        "each Sunday's run lasts 9 times as long, for 5 weeks; then one of another day does",
        lasting(LOAD, ([100] * 6 + [900]) * 5 + [100, 900]),
        {
            hour(34 * DAY + 1): [],
            hour(35 * DAY + 1): [],
            hour(36 * DAY + 1): [slow("9")],
        },
    ),
    AlertCase(
        "BatchDurationAnomaly",
        "a run that goes on lasts longer than twice the baseline; another job's is shorter",
        {
            **course(LOAD, "1x200", "0x200", "0+15x200", "0x200", "_"),
            **course(DEV, "1x200", "0x200", "0+15x200", "0x200", "_"),
            series(baselines.LONGEST, LOAD).replace(WRITTEN, ""): "600x200",
            series(baselines.LONGEST, DEV).replace(WRITTEN, ""): "1800x200",
        },
        {"21m": [], "22m": [], "22m15s": [slow("2.025")], "40m": [slow("3.8")]},
    ),
    _case(
        "BatchThroughputDrop",
        "a daily run has 40% of the fewest of 7 days, and the next one is as before",
        processing(LOAD, [1000, 500, *[900] * 5, 200, 1000]),
        {hour(7 * DAY): [], hour(7 * DAY + 1): [few("40%")], hour(7 * DAY + 3): [], hour(8 * DAY + 1): []},
    ),
    _case(
        "BatchThroughputDrop",
        "it has half of them: the limit itself; a run without any record is BatchGreenTick",
        {**processing(LOAD, [1000, 500, *[900] * 5, 250]), **processing(DEV, [1000, 500, *[900] * 5, 0])},
        {hour(7 * DAY + 1): [], hour(7 * DAY + 2): []},
    ),
    _case(
        "BatchThroughputDrop",
        "99 records fewer",
        processing(LOAD, [*[100] * 7, 1]),
        {hour(7 * DAY + 1): []},
    ),
    _case(
        "BatchThroughputDrop",
        "each Sunday has a tenth of the records, for 5 weeks; then another day has",
        processing(NIGHTLY, ([10_000] * 6 + [1000]) * 5 + [10_000, 1000]),
        {hour(34 * DAY + 1): [], hour(35 * DAY + 1): [], hour(36 * DAY + 1): [few("10%", OWNED)]},
    ),
)
