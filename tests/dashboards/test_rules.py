"""The recording rules count exactly: each case has samples that other rules count wrong."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from batchtel.schema.signals import METRICS
from batchtel_dashboards import queries, rules
from batchtel_dashboards.engines import STOCK
from tests.dashboards.promtool import Case, evaluate
from tests.dashboards.state_cases import lost_cases

TOTAL = "batch_job_completions_total"
SEEN = "batch_job_completions:seen"
COUNTED = queries.added("batch.job.completions", "10m", engine=STOCK)

CASES = (
    Case("a total is born at 4, with no zero before it", {TOTAL: "_x60 4x20"}, COUNTED, "20m", {"{}": 4}),
    Case(
        "a reset from 10 to 2 and on to 6, the growth from 8 to 10 and a first 2 in the window",
        {TOTAL: "8x49 10x19 2x4 6x6"},
        COUNTED,
        "20m",
        {"{}": 8},
    ),
    Case("15 minutes without a sample, then 3 more", {TOTAL: "9x17 _x60 12x3"}, COUNTED, "20m", {"{}": 3}),
    Case("5 hours without a sample, then 3 more", {TOTAL: "9x17 _x1200 12x3"}, COUNTED, "305m", {"{}": 3}),
    Case(
        "limit: 7 hours without a sample, then 3 more: the whole total counts again",
        {TOTAL: "9x17 _x1680 12x3"},
        COUNTED,
        "425m",
        {"{}": 12},
    ),
    Case("3 more, then it expires within the window", {TOTAL: "9x49 12x9 stale _x20"}, COUNTED, "20m", {"{}": 3}),
    Case("nothing happens: 0, not nothing", {TOTAL: "9x100"}, COUNTED, "20m", {"{}": 0}),
    Case(
        "limit: without a boot label a reset that overtakes 10 with 12 at once counts as 2 more",
        {TOTAL: "10x59 12x20"},
        COUNTED,
        "20m",
        {"{}": 2},
    ),
    Case(
        "a restart under another boot label that overtakes 10 with 12 at once, while the old series is still visible",
        {
            f'{TOTAL}{{instance="standalone-0",boot="1"}}': "10x59 _x20",
            f'{TOTAL}{{instance="standalone-0",boot="2"}}': "_x60 12x20",
        },
        COUNTED,
        "20m",
        {"{}": 12},
    ),
    Case(
        "three boots in one window, each born with something",
        {
            f'{TOTAL}{{instance="standalone-0",boot="1"}}': "_x50 5x5 7x3 _x30",
            f'{TOTAL}{{instance="standalone-0",boot="2"}}': "_x60 1x4 _x30",
            f'{TOTAL}{{instance="standalone-0",boot="3"}}': "_x66 2x4 3x20",
        },
        COUNTED,
        "20m",
        {"{}": 11},
    ),
    Case(
        "two gateways, one of them born in the window; readers see neither instance nor boot",
        {
            f'{TOTAL}{{job_name="load",instance="gateway-0",boot="1"}}': "_x70 5x10",
            f'{TOTAL}{{job_name="load",instance="gateway-1",boot="1"}}': "7x50 9x30",
        },
        "sum_over_time(batch_job_completions:increment[10m])",
        "20m",
        {'{job_name="load"}': 7},
    ),
    Case(
        "statuses are counted apart",
        {f'{TOTAL}{{status="success"}}': "_x60 4x20", f'{TOTAL}{{status="failure"}}': "1x60 2x20"},
        queries.added("batch.job.completions", "10m", by=["status"], engine=STOCK),
        "20m",
        {'{status="success"}': 4, '{status="failure"}': 1},
    ),
    Case(
        "a name with a quote in it is looked for",
        {TOTAL + r'{job_name="a\"b"}': "_x60 4x20", f'{TOTAL}{{job_name="other"}}': "_x60 1x20"},
        queries.added("batch.job.completions", "10m", labels={"job_name": 'a"b'}, engine=STOCK),
        "20m",
        {"{}": 4},
    ),
    Case(
        "the median of a histogram that is born with two runs of a nightly job",
        {
            'batch_job_duration_seconds_bucket{le="60"}': "_x60 0x20",
            'batch_job_duration_seconds_bucket{le="300"}': "_x60 2x20",
            'batch_job_duration_seconds_bucket{le="+Inf"}': "_x60 2x20",
        },
        queries.quantile("batch.job.duration", 0.5, "10m", engine=STOCK),
        "20m",
        {"{}": 180},
    ),
    Case(
        "the sum of a histogram",
        {"batch_job_data_quality_score_sum": "_x60 0.75x20"},
        queries.added("batch.job.data_quality.score", "10m", part="sum", engine=STOCK),
        "20m",
        {"{}": 0.75},
    ),
    Case(
        "a maximum outlives a restart after which the collector has an older time only",
        {
            'batch_job_state_timestamp_seconds{state="success",instance="standalone-0",boot="1"}': "1000x40 _x300",
            'batch_job_state_timestamp_seconds{state="success",instance="standalone-0",boot="2"}': "_x41 500x300",
        },
        queries.last_reached("job", "success", engine=STOCK),
        "80m",
        {'batch_job_state_timestamp_seconds:max{state="success"}': 1000},
    ),
    Case(
        "a maximum is still there 34 days after the job was last seen",
        {'batch_job_state_timestamp_seconds{state="success",instance="standalone-0"}': "36000x10 stale"},
        queries.last_reached("job", "success", engine=STOCK),
        "34d",
        {'batch_job_state_timestamp_seconds:max{state="success"}': 36000},
        interval="1h",
    ),
    Case(
        "a maximum is gone 36 days after the job was last seen, though the rule reads its own output",
        {'batch_job_state_timestamp_seconds{state="success",instance="standalone-0"}': "36000x10 stale"},
        queries.last_reached("job", "success", engine=STOCK),
        "36d",
        {},
        interval="1h",
    ),
    Case(
        "the latest state of a job is the one with the greatest time",
        {
            'batch_job_state_timestamp_seconds{job_name="load",state="success",instance="standalone-0"}': "100x10",
            'batch_job_state_timestamp_seconds{job_name="load",state="running",instance="standalone-0"}': "300x10",
            'batch_job_state_timestamp_seconds{job_name="load",state="failure",instance="standalone-0"}': "200x10",
        },
        queries.latest_state("job", engine=STOCK),
        "2m",
        {'batch_job_state_timestamp_seconds:max{job_name="load",state="running"}': 300},
    ),
)


STOCK_CASES = (
    *lost_cases(STOCK),
    Case(
        "a maximum is kept as long as the collector's environment has it",
        {
            'batch_job_state_timestamp_seconds{state="success",instance="standalone-0"}': "36000x10 stale",
            'otelcol_deltatocumulative_streams_max_stale{instance="standalone-0"}': "259200x1000",
        },
        queries.last_reached("job", "success", engine=STOCK),
        "4d",
        {},
        interval="1h",
    ),
    Case(
        "a maximum is kept longer where the collector's environment has it",
        {
            'batch_job_state_timestamp_seconds{state="success",instance="standalone-0"}': "36000x10 stale",
            'otelcol_deltatocumulative_streams_max_stale{instance="standalone-0"}': "7776000x2000",
        },
        queries.last_reached("job", "success", engine=STOCK),
        "60d",
        {'batch_job_state_timestamp_seconds:max{state="success"}': 36000},
        interval="1h",
    ),
)

BROKEN: dict[str, Callable[[str], str]] = {
    "increment before seen": lambda text: _swapped(text),
    "the record of this evaluation is read as that of the one before": lambda text: text.replace(" offset 1ms", ""),
    "the total itself where nothing was seen": lambda text: text.replace(f"or {SEEN} * 0", f"or {SEEN}"),
    "no fallback at a reset": lambda text: text.replace(f">= 0) or {SEEN} * 1", ">= 0)"),
    "seen for five minutes only": lambda text: text.replace("[6h]", "[5m]"),
    "instances are not added": lambda text: text.replace("sum without (instance, boot)", ""),
    "buckets are not recorded": lambda text: text.replace("seconds_bucket:increment", "seconds_bucket:dropped"),
    "maxima are kept for ever": lambda text: re.sub(r" > time\(\) - scalar\(.*?\)\)\)", ")", text),
    "the expiry of the collector is not read": lambda text: text.replace("streams_max_stale", "none"),
    "nothing is alive": lambda text: text.replace("round(sum", "round(0 * sum"),
    "what was alive stays so": lambda text: text.replace("[120s]", "[1h]"),
    "maxima are not kept": lambda text: text.replace(
        " or last_over_time(batch_job_state_timestamp", " and last_over_time(none"
    ),
}
"""What could be wrong with the rules; each is to be found by a case."""


@pytest.mark.parametrize("case", [*CASES, *STOCK_CASES], ids=lambda case: case.story)
def test_case(promtool: Path, tmp_path: Path, case: Case) -> None:
    """Promtool's answer over the committed rules is the case's."""
    assert evaluate(promtool, tmp_path, rules.path().read_text(), case) == ""


@pytest.mark.parametrize("fault", BROKEN)
def test_cases_find_a_fault(promtool: Path, tmp_path: Path, fault: str) -> None:
    """Rules with a fault fail at least one case."""
    broken = BROKEN[fault](rules.text())
    assert broken != rules.text(), "the fault is not in the rules any more; describe it again"
    assert any(evaluate(promtool, tmp_path, broken, case) for case in (*STOCK_CASES, *CASES))


def test_metrics_of_ones_own_are_counted_as_exactly(promtool: Path, tmp_path: Path) -> None:
    """A counter and a histogram that the table does not have: with a first value, and a restart with another boot."""
    counted = "sum_over_time(shop_orders:increment[10m]) + sum_over_time(shop_latency_seconds_count:increment[10m])"
    case = Case(
        "own",
        {
            'shop_orders_total{instance="a",boot="1"}': "_x60 4x8 6x2 _x20",
            'shop_orders_total{instance="a",boot="2"}': "_x72 3x20",
            'shop_latency_seconds_count{instance="a",boot="1"}': "_x60 2x20",
        },
        counted,
        "20m",
        {"{}": 11},
    )
    text = rules.of("shop_orders_total", "shop_latency_seconds_count")
    assert evaluate(promtool, tmp_path, text, case) == ""


def test_rules_are_well_formed(promtool: Path) -> None:
    """`promtool check rules` finds nothing in the committed file, not even duplicates."""
    done = subprocess.run(
        [promtool, "check", "rules", "--lint=all", "--lint-fatal", rules.path()],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_are_up_to_date() -> None:
    """The committed rules are those that the table of signals makes."""
    assert rules.path().read_text() == rules.text(), f"{rules.path()} is out of date; run: make generate"


def test_every_sum_and_maximum_has_a_rule() -> None:
    """No metric of the table is without its rules."""
    text = rules.text()
    for metric in METRICS:
        names = [rules.increment(total) for total in rules.totals(metric)] or [rules.maximum(metric)]
        for name in names:
            assert f"record: {name}\n" in text, f"{metric.name} has no rule {name}"


def test_nothing_is_added_to_a_maximum() -> None:
    """The increase of a maximum is an error that names the query to use instead."""
    with pytest.raises(
        ValueError, match=r"^batch\.job\.state\.timestamp is a maximum and has no increase; use latest_state\(\)$"
    ):
        queries.added("batch.job.state.timestamp", "1h", engine=STOCK)


def _swapped(text: str) -> str:
    """Put each `increment` before its `seen`."""
    head, *pairs = text.split("  - record: ")
    pairs = [rule if rule.endswith("\n") else rule + "\n" for rule in pairs]
    swapped = sorted(pairs, key=lambda rule: ":seen\n" in rule.partition("expr")[0] + "\n")
    return head + "".join("  - record: " + rule for rule in swapped)
