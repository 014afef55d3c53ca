"""The same with prometheus_client: one counter for `records`; two counters and a histogram for `step`, and no span."""

import os

from prometheus_client import CollectorRegistry, Counter, Histogram  # type: ignore[import-not-found, unused-ignore]

registry = CollectorRegistry()
records = Counter("records", "Records.", ["job_name", "job_type"], registry=registry)
started = Counter("started", "Started.", ["job_name", "job_type", "step_name"], registry=registry)
completions = Counter("completions", "Ended.", ["job_name", "job_type", "step_name", "status"], registry=registry)
duration = Histogram("duration_seconds", "Duration.", ["job_name", "job_type", "step_name"], registry=registry)

calls = int(os.environ["CALLS"])
if os.environ["CALL"] == "records":
    for _ in range(calls):
        records.labels("nightly", "batch").inc()
else:
    for _ in range(calls):
        started.labels("nightly", "batch", "load").inc()
        with duration.labels("nightly", "batch", "load").time():
            pass
        completions.labels("nightly", "batch", "load", "success").inc()
