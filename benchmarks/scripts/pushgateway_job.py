"""The metrics of the same job, pushed to a Pushgateway as prometheus_client's documentation shows; no span, no log."""

import os
import time

from prometheus_client import (  # type: ignore[import-not-found, unused-ignore]
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    push_to_gateway,
)

registry = CollectorRegistry()
completions = Counter("completions", "Runs that ended.", ["status"], registry=registry)
records = Counter("records", "Records processed.", registry=registry)
duration = Histogram("duration_seconds", "Duration.", ["status"], registry=registry)
last_success = Gauge("last_success_timestamp_seconds", "Unix time of the last success.", registry=registry)

begun = time.perf_counter()
records.inc(100)
completions.labels("success").inc()
duration.labels("success").observe(time.perf_counter() - begun)
last_success.set_to_current_time()
push_to_gateway(os.environ["PUSHGATEWAY"], job="nightly", registry=registry)
