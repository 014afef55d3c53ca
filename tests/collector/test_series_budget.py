"""The series of an environment, by hand: what one job makes, and the limits that it is compared with."""

from __future__ import annotations

import yaml

from batchtel.schema.signals import STATES
from batchtel_collector.check.series_budget import budget
from batchtel_collector.environment.load import load
from batchtel_collector.render.configuration import render


def test_one_metric_may_have_half_of_the_limit_with_exact() -> None:
    """All sums fit, those of one metric do not: the message names it; the limit that it names is accepted."""
    rules = {"metrics": {"shop.orders": {"labels": ["job_name", "region", "channel", "size"]}}, "expected": {"jobs": 1}}
    exact = budget(load("local", {**rules, "series_limit": 1500}))
    assert exact.problem == (
        "series_limit: 1 jobs of up to 1000 of shop.orders need 1000, more than 750, the half that one metric may "
        "have; write series_limit: 2000, or fewer jobs"
    )
    assert (exact.room, budget(load("local", {**rules, "series_limit": 2000})).problem) == (0, None)
    stock = budget(load("local", {**rules, "series_limit": 1500, "aggregation": "stock"}))
    assert (stock.room, stock.problem) == (1, None)


def test_all_limits_that_are_passed_are_in_one_message() -> None:
    """That of all series, and that of the metric which needs even more; the limit to write is enough for both."""
    rules = {
        "metrics": {
            "shop.orders": {"labels": ["job_name", "region", "channel", "size"]},
            "shop.visits": {"labels": ["region", "channel", "size"]},
        },
        "expected": {"jobs": 9},
    }
    found = budget(load("local", {**rules, "series_limit": 1000}))
    needed = 9 * found.sums + 1000
    assert found.problem == (
        f"series_limit: 9 jobs of up to {found.sums} sums and maxima (5 steps of up to {found.sums_of_step}) need "
        f"{needed}, more than 1000; 9 jobs of up to 1000 of shop.orders need 9000, more than 500, the half that one "
        "metric may have; write series_limit: 18000, or fewer jobs"
    )
    assert budget(load("local", {**rules, "series_limit": 18000})).problem is None


def test_the_half_of_one_metric_is_the_limit_of_run_rollup() -> None:
    """What `check` compares with is what is rendered."""
    for limit in (1, 2, 1500, 1501):
        mine = load("local", {"series_limit": limit})
        assert yaml.safe_load(render(mine))["processors"]["run_rollup"]["defaults"]["limit"] == mine.limit_of_metric
        assert mine.limit_of_metric == limit - limit // 2


def test_maxima_count_with_exact_only() -> None:
    """By hand: states of one job and its 5 steps, and the time of its data; stock keeps them outside of the limit."""
    exact, stock = (budget(load("local", {"aggregation": name})) for name in ("exact", "stock"))
    states = len(STATES)
    assert exact.sums - stock.sums == 6 * states + 1
    assert (exact.series, exact.largest, stock.limit_of_metric) == (stock.series, stock.largest, None)


def test_the_budget_counts_what_airflow_reports_of_a_dag() -> None:
    """By hand: a task's start, its end in 14 states and three timers, and seven metrics of the DAG itself."""
    without, having = (budget(load("local", {"airflow_metrics": on, "expected": {"steps": 3}})) for on in (False, True))
    assert having.sums - without.sums == 3 * (1 + 14 + 3) + 7
    assert having.others - without.others > 30


def test_the_budget_counts_what_one_job_makes() -> None:
    """Two metrics of the table by hand, and a rule of the user's: 2 regions and `other`, with 10 unknown channels."""
    own = load(
        "local", {"metrics": {"shop.orders": {"labels": ["region", "channel"], "values": {"region": ["a", "b"]}}}}
    )
    assert (budget(own).others, budget(own).sums) == (30, budget(load("local")).sums)
    by_job = load("local", {"metrics": {"shop.orders": {"labels": ["job_name", "channel"]}}})
    assert budget(by_job).sums == budget(load("local")).sums + 10
    statuses, steps = 6, 5
    assert budget(load("local")).sums > statuses + 5 + 10 + steps * (statuses - 1 + 10)
