"""A job that carries secrets in every place that a record has; its plan is a JSON file, named by its first argument.

The plan: `texts`, each with a secret and a control text; `key`, the value of attributes whose key names a secret.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from opentelemetry import trace

import batchtel

plan = json.loads(Path(sys.argv[1]).read_text())
tracer = trace.get_tracer("library")
logging.basicConfig(stream=sys.stdout)
for text in plan["texts"]:
    try:
        with batchtel.job("planted", type="etl") as job:
            job.set(plain=text, listed=[text], password=plan["key"], **{"client-secret": plan["key"]})
            job.inputs(text)
            job.quality(0.5, schema_version=text)
            job.failed_record(text, ValueError(text))
            logging.getLogger("app").error("%s", text, extra={"detail": text, "nested": {"token": plan["key"]}})
            try:
                raise PermissionError(text)
            except PermissionError:
                logging.getLogger("app").exception("refused")
            with tracer.start_as_current_span(f"query {text}", attributes={"db.statement": text}) as span:
                span.add_event("retry", {"reason": text})
                span.record_exception(RuntimeError(text))
                link = trace.Link(span.get_span_context(), {"message": text})
                tracer.start_span("linked", links=[link]).end()
            with batchtel.step("skipped") as step:
                step.outputs(text)
                step.skipped(text)
            with batchtel.step("load"):
                error = ConnectionError(text)
                error.add_note(text)
                raise error from RuntimeError(text)
    except ConnectionError:
        pass
