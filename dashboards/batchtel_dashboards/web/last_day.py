"""What happened in the fleet within 24 hours, and within the last hour: each number is one query without run ids."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from batchtel_dashboards import panel_queries, queries
from batchtel_dashboards.engines import Engine
from batchtel_dashboards.history.job import FAILED, Who, who
from batchtel_dashboards.stores import Prometheus


def numbers(
    prometheus: Prometheus, engine: Engine, labels: Mapping[str, str] = queries.NO_LABELS
) -> Mapping[str, float]:
    """Return numbers by their names; durations in seconds. One that has no value is left out.

    They are of the jobs whose series have these labels.

    Raises:
        StoreError: Prometheus does not answer.
    """
    failed = {**labels, "status": queries.FAILED}
    ended = queries.added("batch.job.completions", "24h", by=("status",), labels=labels, engine=engine)
    by_status = {row.labels.get("status", ""): row.value for row in prometheus.query(ended)}
    found = {"runs ended": sum(by_status.values()), "runs failed": sum(by_status.get(one, 0.0) for one in FAILED)}
    of_jobs = queries.added("batch.job.completions", "24h", by=queries.WHO["job"], labels=labels, engine=engine)
    asked = {
        "jobs": f"count({of_jobs} > 0)",
        "mean run": panel_queries.mean("batch.job.duration", "24h", labels=labels, engine=engine),
        "mean step": panel_queries.mean("batch.step.duration", "24h", labels=labels, engine=engine),
        "runs failed in 1 h": queries.added("batch.job.completions", "1h", labels=failed, engine=engine),
        "steps failed in 1 h": queries.added("batch.step.completions", "1h", labels=failed, engine=engine),
    }
    for name, query in asked.items():
        for row in prometheus.query(query)[:1]:
            found[name] = row.value
    return found


def errors(
    prometheus: Prometheus, engine: Engine, labels: Mapping[str, str] = queries.NO_LABELS
) -> Sequence[tuple[str, int, Sequence[str]]]:
    """Return each class of error, how many runs of 24 hours ended with it, and of which jobs; the most frequent first.

    Raises:
        StoreError: Prometheus does not answer.
    """
    by, failed = ("error_type", "job_name"), {**labels, "status": queries.FAILED}
    query = queries.added("batch.job.completions", "24h", by=by, labels=failed, engine=engine)
    counts, jobs = Counter[str](), defaultdict[str, set[str]](set)
    for row in prometheus.query(query):
        if round(row.value):
            kind = row.labels.get("error_type", "") or "unknown"
            counts[kind] += round(row.value)
            jobs[kind].add(row.labels.get("job_name", ""))
    return [(kind, count, sorted(jobs[kind])) for kind, count in counts.most_common()]


def violations(
    prometheus: Prometheus, engine: Engine, window: str = "24h", labels: Mapping[str, str] = queries.NO_LABELS
) -> Mapping[tuple[Who, str], int]:
    """Return how many runs violated a rule of their SLA, by job and rule.

    Raises:
        StoreError: Prometheus does not answer.
    """
    by = (*queries.WHO["job"], "violation_type")
    query = queries.added("batch.job.sla.violations", window, by=by, labels=labels, engine=engine)
    return {
        (who(row.labels), row.labels.get("violation_type", "")): round(row.value)
        for row in prometheus.query(query)
        if round(row.value)
    }
