"""The same job with the OpenTelemetry SDK as its documentation sets it up: one span, one log record, three metrics.

It sends less than the batchtel job (no state, no zeros, no events), so a ratio between the two favours it.
"""

import logging
import os
import time

from opentelemetry import metrics, trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

if os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"] == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
else:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter  # type: ignore[assignment]
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # type: ignore[assignment]
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # type: ignore[assignment]

LOGGER = logging.getLogger("nightly")
LOGGER.setLevel(logging.INFO)

# Each provider shuts itself down at exit, which sends what waits.
resource = Resource.create()
tracer_provider = TracerProvider(resource=resource)
tracer_provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(tracer_provider)
metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())], resource))
logger_provider = LoggerProvider(resource)
logger_provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
set_logger_provider(logger_provider)
logging.getLogger().addHandler(LoggingHandler(logger_provider=logger_provider))

meter = metrics.get_meter("nightly")
completions = meter.create_counter("completions", "{run}")
records = meter.create_counter("records", "{record}")
duration = meter.create_histogram("duration", "s")

begun = time.perf_counter()
with trace.get_tracer("nightly").start_as_current_span("nightly") as span:
    LOGGER.info("the work is done")
    records.add(100, {"job_name": "nightly"})
    span.set_attribute("records", 100)
completions.add(1, {"job_name": "nightly", "status": "success"})
duration.record(time.perf_counter() - begun, {"job_name": "nightly", "status": "success"})
