"""All that a step of batchtel records, with plain SDK calls: what `plain_sdk_calls.py` records, and the rest.

The rest is the finished event as a log record, the states as gauges, and the seconds alive.
"""

import os
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

tracer_provider = TracerProvider()
tracer_provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(tracer_provider)
logger_provider = LoggerProvider()
logger_provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
logger = logger_provider.get_logger("nightly")
metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())]))
meter, tracer = metrics.get_meter("nightly"), trace.get_tracer("nightly")
started = meter.create_counter("started")
completions, duration = meter.create_counter("completions"), meter.create_histogram("duration", "s")
alive, state = meter.create_counter("alive", "s"), meter.create_gauge("state", "s")
JOB = {"job_name": "nightly", "job_type": "batch"}
STEP = {**JOB, "step_name": "load"}
RUN: dict[str, Any] = {
    "batch.job.name": "nightly",
    "batch.job.type": "batch",
    "batch.run.id": str(uuid.uuid4()),
    "batch.run.attempt": 1,
}
BODY = f"step load of nightly, run {RUN['batch.run.id']}, ended: success"

calls = int(os.environ["CALLS"])
with tracer.start_as_current_span("nightly"):
    for _ in range(calls):
        begun, at = time.perf_counter(), time.time()
        identity = {**RUN, "batch.step.name": "load"}
        with tracer.start_as_current_span("load", attributes=identity) as span:
            started.add(1, STEP)
            state.set(at, {**STEP, "state": "running"})
            span.set_attribute("batch.status", "success")
        lasted, now = time.perf_counter() - begun, time.time_ns()
        alive.add(lasted, STEP)
        completions.add(1, {**STEP, "status": "success"})
        duration.record(lasted, {**STEP, "status": "success"})
        state.set(now / 1e9, {**STEP, "state": "success"})
        started_at = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
        times: dict[str, Any] = {"batch.started_at": started_at, "batch.duration": lasted, "batch.status": "success"}
        logger.emit(
            LogRecord(
                timestamp=now,
                observed_timestamp=now,
                severity_text="INFO",
                severity_number=SeverityNumber.INFO,
                body=BODY,
                attributes={**identity, **times},
                event_name="batch.step.finished",
            )
        )
