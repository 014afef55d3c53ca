"""The queries of `exact` count as the collector does, without a recording rule: each case on a real promtool."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from batchtel_dashboards import queries
from batchtel_dashboards.boards import shipped
from batchtel_dashboards.engines import EXACT
from tests.dashboards.promtool import Case, evaluate
from tests.dashboards.state_cases import lost_cases
from tests.support import boards

TOTAL = "batch_job_completions_total"
COUNTED = queries.added("batch.job.completions", "10m")
PLAIN = f"sum(increase({TOTAL}[10m]))"
(FAILED,) = [
    boards.substituted(query)
    for title, query in boards.queries(json.loads(shipped.texts("exact")["batch-fleet"]))
    if title == "Runs failed, 24 h"
]
WEEKEND = {
    f'{TOTAL}{{status="failure"}}': "70x720 _x3780 70x1500",
    f'{TOTAL}{{status="success"}}': "500x720 _x3780 500x1500",
}
"""12 hours, 63 hours without a sample, and then the same totals until the end: nothing has run in between."""

CASES = (
    Case("a series is born with a zero and 4", {TOTAL: "_x59 0 4x20"}, COUNTED, "20m", {"{}": 4}),
    Case("it is born in an empty Prometheus", {TOTAL: "0 4x20"}, COUNTED, "5m", {"{}": 4}),
    Case("plain increase() has its first value", {TOTAL: "_x49 0 4x40"}, f"round({PLAIN})", "20m", {"{}": 4}),
    Case("15 minutes without a sample, then 3 more", {TOTAL: "9x17 _x60 12x3"}, COUNTED, "20m", {"{}": 3}),
    Case("5 hours without a sample, then 3 more", {TOTAL: "9x17 _x1200 12x3"}, COUNTED, "305m", {"{}": 3}),
    Case("a night without a sample: nothing happened", {TOTAL: "9x17 _x1920 9x30"}, COUNTED, "490m", {"{}": 0}),
    Case("a night without a sample, then 3 more", {TOTAL: "9x17 _x1920 9x9 12x9"}, COUNTED, "488m", {"{}": 3}),
    Case("3 more, then no sample for 5 minutes", {TOTAL: "9x49 12x9 _x20"}, COUNTED, "20m", {"{}": 3}),
    Case("3 more, then it expires within the window", {TOTAL: "9x49 12x9 stale _x20"}, COUNTED, "20m", {"{}": 3}),
    Case("an expired series returns with 2", {TOTAL: "9x30 stale _x20 0 2x40"}, COUNTED, "20m", {"{}": 2}),
    Case("nothing happens: 0, not nothing", {TOTAL: "9x100"}, COUNTED, "20m", {"{}": 0}),
    Case(
        "a job moves to another gateway and back; readers do not see the instance",
        {
            f'{TOTAL}{{job_name="load",instance="gateway-0"}}': "7x50 8x9 8x9 11x20",
            f'{TOTAL}{{job_name="load",instance="gateway-1"}}': "_x59 0 5x20",
        },
        queries.added("batch.job.completions", "10m", by=["job_name"]),
        "20m",
        {'{job_name="load"}': 9},
    ),
    *(
        Case(f"{at}: Runs failed, 24 h, after a weekend without a sample", WEEKEND, FAILED, at, {"{}": 0}, "1m")
        for at in ("76h", "94h", "98h")
    ),
    Case(
        "the median of a histogram that is born with two runs of a nightly job",
        {
            'batch_job_duration_seconds_bucket{le="60"}': "_x59 0 0x20",
            'batch_job_duration_seconds_bucket{le="300"}': "_x59 0 2x20",
            'batch_job_duration_seconds_bucket{le="+Inf"}': "_x59 0 2x20",
        },
        queries.quantile("batch.job.duration", 0.5, "10m"),
        "20m",
        {"{}": 180},
    ),
    Case(
        "the greatest of the times of two gateways",
        {
            'batch_job_state_timestamp_seconds{state="success",instance="gateway-0"}': "1000x90",
            'batch_job_state_timestamp_seconds{state="success",instance="gateway-1"}': "500x90",
        },
        queries.last_reached("job", "success"),
        "20m",
        {'{state="success"}': 1000},
    ),
    *(
        replace(
            case,
            samples={
                series.replace(',boot="1"', ""): values.replace("1x120", "0 1x119")
                for series, values in case.samples.items()
            },
            answer={
                labels.replace("batch_job_state_timestamp_seconds:max", "").replace(
                    "batch_step_state_timestamp_seconds:max", ""
                ): value
                for labels, value in case.answer.items()
            },
        )
        for case in lost_cases(EXACT)
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.story)
def test_case(promtool: Path, tmp_path: Path, case: Case) -> None:
    """Promtool's answer without any rule is the case's."""
    assert evaluate(promtool, tmp_path, "", case) == ""


def test_a_window_is_a_number_and_a_unit() -> None:
    """An offset is added to it, so other forms of a duration are refused."""
    with pytest.raises(ValueError, match="'1h30m' is no duration; write a number and s, m, h, d or w, such as 1h"):
        queries.added("batch.job.completions", "1h30m")
