"""The counts of the jobs in the ledger and in each store, with the same names, so that they can be compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from batchtel_dashboards import queries
from batchtel_dashboards.engines import Engine
from batchtel_dashboards.stores import Logs, Prometheus, Traces, Wanted
from batchtel_stack.demo.ledger import Line

Quantities = dict[str, dict[str, float]]
"""Job name -> what is counted -> how many. A missing count is 0."""

RUN_IDS: Final = "run ids"
UNKNOWN_RUN_IDS: Final = "run ids that are not in the ledger"
FAILED_RECORDS: Final = "failed records by id"
SCHEMA: Final = "schema version"

WINDOW: Final = "6h"
"""Longer than any demo; nothing older has its service name, or the stack is new."""


def by_ledger(lines: Iterable[Line]) -> Quantities:
    """Return the counts in the ledger."""
    counts = _nothing()
    ids: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        job, event = counts[line["job"]], line["event"]
        ids[line["job"]].add(line["run_id"])
        if event == "started":
            job["started"] += 1
            job["retries"] += line["attempt"] > 1
        elif event == "record_failed":
            job[FAILED_RECORDS] += 1
        elif event == "step":
            _add_step(job, line["step"], line, "", _ended(line["status"], line["error_type"]))
        elif event == "ended":
            job[_ended(line["status"], line["error_type"])] += 1
            _add(job, line, {key: key for key in ("processed", "failed", "quality")})
            _add_schema(job, line.get("schema_version"))
    for name, of_job in ids.items():
        counts[name][RUN_IDS] = len(of_job)
    return _plain(counts)


def by_prometheus(store: Prometheus, service: str, engine: Engine) -> Quantities:
    """Return what the jobs of a service have added."""
    counts, own = _nothing(), {"job": service}

    def add(metric: str, name: str, *labels: str) -> None:
        part: queries.HistogramPart = "sum" if name == "quality" else "count"
        query = queries.added(metric, WINDOW, by=("job_name", *labels), labels=own, part=part, engine=engine)
        for sample in store.query(query):
            step = sample.labels.get("step_name")
            what = name or _ended(sample.labels.get("status", ""), sample.labels.get("error_type", ""))
            counts[sample.labels["job_name"]][f"{step}: {what}" if step else what] += sample.value

    add("batch.job.runs.started", "started")
    add("batch.job.completions", "", "status", "error_type")
    add("batch.job.records.processed", "processed")
    add("batch.job.records.failed", "failed")
    add("batch.job.retries", "retries")
    add("batch.job.data_quality.score", "quality")
    add("batch.step.completions", "", "step_name", "status", "error_type")
    for counted in ("read", "written", "failed"):
        add(f"batch.step.records.{counted}", counted, "step_name")
    return _plain(counts)


def by_logs(store: Logs, service: str, ledger_ids: Collection[str], start: float, end: float) -> Quantities:
    """Return the counts in the events; `ledger_ids` are the run ids of the ledger."""
    counts = _nothing()
    ids: dict[str, set[str]] = defaultdict(set)
    for record in store.records(Wanted(service), start, end):
        fields = record.fields
        event, name = fields.get("event_name", ""), fields.get("batch.job.name", "")
        job = counts[name]
        if not event:
            continue  # a line of the job's own
        ids[name].add(fields["batch.run.id"])
        if event == "batch.run.started":
            job["started"] += 1
            job["retries"] += int(fields["batch.run.attempt"]) > 1
        elif event == "batch.record.failed":
            job[FAILED_RECORDS] += 1
        elif event in {"batch.step.finished", "batch.run.finished"}:
            _add_span(job, fields)
    return _with_ids(counts, ids, ledger_ids)


def by_traces(store: Traces, service: str, ledger_ids: Collection[str], start: float, end: float) -> Quantities:
    """Return the counts in the spans; `ledger_ids` are the run ids of the ledger."""
    counts = _nothing()
    ids: dict[str, set[str]] = defaultdict(set)
    for span in (span for trace_id in store.find(Wanted(service), start, end) for span in store.trace(trace_id)):
        name = str(span.attributes["batch.job.name"])
        job = counts[name]
        ids[name].add(str(span.attributes["batch.run.id"]))
        if "batch.step.name" not in span.attributes:
            job["started"] += 1
            job["retries"] += int(span.attributes["batch.run.attempt"]) > 1
        _add_span(job, span.attributes)
    return _with_ids(counts, ids, ledger_ids)


def _add_span(job: dict[str, float], fields: Mapping[str, Any]) -> None:
    """Add a run or step that ended, from the attributes that spans and events share."""
    ended = _ended(fields.get("batch.status", "not ended"), fields.get("error.type", ""))
    step = fields.get("batch.step.name")
    if step:
        _add_step(job, step, fields, "batch.records.", ended)
        return
    job[ended] += 1
    names = {"processed": "batch.records.processed", "failed": "batch.records.failed"}
    _add(job, fields, names | {"quality": "batch.data_quality.score"})
    _add_schema(job, fields.get("batch.schema.version"))


def _add_step(job: dict[str, float], step: str, fields: Mapping[str, Any], prefix: str, ended: str) -> None:
    job[f"{step}: {ended}"] += 1
    _add(job, fields, {f"{step}: {key}": prefix + key for key in ("read", "written", "failed")})


def _add(job: dict[str, float], fields: Mapping[str, Any], names: Mapping[str, str]) -> None:
    for name, key in names.items():
        job[name] += float(fields.get(key, 0))


def _add_schema(job: dict[str, float], version: str | None) -> None:
    if version:
        job[f"{SCHEMA} {version}"] += 1


def _ended(status: str, error_type: str) -> str:
    return f"{status} ({error_type})" if error_type else status


def _with_ids(counts: Quantities, ids: Mapping[str, set[str]], ledger_ids: Collection[str]) -> Quantities:
    for name, of_job in ids.items():
        counts[name][RUN_IDS] = len(of_job.intersection(ledger_ids))
        counts[name][UNKNOWN_RUN_IDS] = len(of_job.difference(ledger_ids))
    return _plain(counts)


def _nothing() -> Quantities:
    return defaultdict(lambda: defaultdict(float))


def _plain(counts: Quantities) -> Quantities:
    return {job: {name: round(amount, 6) for name, amount in counted.items()} for job, counted in counts.items()}


NOT_OF_METRICS: Final = (RUN_IDS, FAILED_RECORDS, SCHEMA)
NOT_OF_LOGS: Final[tuple[str, ...]] = ()
NOT_OF_TRACES: Final = (FAILED_RECORDS,)
"""Counts that a store of the signal does not have, by the beginnings of their names."""
