"""The same with plain SDK calls: one counter for `records`; a span, two counters and a histogram for `step`.

A batchtel step reports more: an event, two states, the seconds it was alive. `plain_sdk_same_records.py` has them, too.
"""

import os
import time

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

tracer_provider = TracerProvider()
tracer_provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(tracer_provider)
metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())]))
meter, tracer = metrics.get_meter("nightly"), trace.get_tracer("nightly")
records, started = meter.create_counter("records"), meter.create_counter("started")
completions, duration = meter.create_counter("completions"), meter.create_histogram("duration", "s")
JOB = {"job_name": "nightly", "job_type": "batch"}
STEP = {**JOB, "step_name": "load"}

calls = int(os.environ["CALLS"])
with tracer.start_as_current_span("nightly"):
    if os.environ["CALL"] == "records":
        for _ in range(calls):
            records.add(1, JOB)
    else:
        for _ in range(calls):
            begun = time.perf_counter()
            with tracer.start_as_current_span("load", attributes=STEP):
                started.add(1, STEP)
            completions.add(1, {**STEP, "status": "success"})
            duration.record(time.perf_counter() - begun, STEP)
