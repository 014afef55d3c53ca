"""The job's own `logging` records: copied with the context of their run, and otherwise left alone."""

from __future__ import annotations

import pytest

from tests.instrumentation.process import run, succeed
from tests.instrumentation.sink import Sink

SETUPS = {
    "none": "",
    "basicConfig": "logging.basicConfig(level=logging.INFO, format='%(levelname)s %(name)s %(message)s')",
    "basicConfig in the run": "inside = lambda: logging.basicConfig(level=logging.DEBUG, format='%(message)s!')",
    "dictConfig": (
        "logging.config.dictConfig({'version': 1, 'disable_existing_loggers': True,"
        " 'formatters': {'f': {'format': 'F %(message)s'}},"
        " 'handlers': {'h': {'class': 'logging.StreamHandler', 'formatter': 'f'}},"
        " 'loggers': {'app': {'handlers': ['h'], 'level': 'WARNING', 'propagate': False}}, 'root': {'level': 'ERROR'}})"
    ),
    "handlers of their own": (
        "app.addHandler(logging.StreamHandler(sys.stdout)); app.propagate = False; app.setLevel(logging.DEBUG)"
    ),
    "no lastResort": "logging.lastResort = None",
    "disable": "logging.disable(logging.WARNING)",
    "filter": "app.addFilter(lambda record: 'warning' not in record.msg)",
    "captureWarnings": "logging.captureWarnings(True); inside = lambda: warnings.warn('careful')",
    "logger class": (
        "logging.setLoggerClass(type('Own', (logging.Logger,), {'notice': lambda self, text: self.warning(text)}));"
        "inside = lambda: logging.getLogger('own').notice('noticed')"
    ),
}

PRINT_NOTHING_AT_THE_END = {"disable"}


@pytest.mark.parametrize("setup", SETUPS)
def test_logging_behaves_as_without_us(sink: Sink, setup: str) -> None:
    """Output, exit code and the state of the logging module equal, byte for byte, those of the job with us off."""
    script = """
        import logging, logging.config, sys, warnings, batchtel
        app, inside = logging.getLogger("app"), lambda: None
        exec(sys.argv[1])
        with batchtel.job("logging"):
            inside()
            app.debug("a debug line")
            app.info("an info line")
            app.warning("a warning of %d", 1)
            app.error("an error %s", "text", extra={"row": 7})
            logging.getLogger("other.child").warning("another warning")
            logging.warning("by the module")
            app.warning("wrong arguments %d", "text")
            try:
                1 / 0
            except ZeroDivisionError:
                app.exception("caught")
        print(logging.root.handlers, app.handlers, app.level, app.propagate, logging.lastResort)
        app.warning("after the run")
        """
    finished = run(script, sink, SETUPS[setup])
    without = run(script, None, SETUPS[setup], OTEL_SDK_DISABLED="true")

    assert (finished.code, finished.stdout, finished.stderr) == (without.code, without.stdout, without.stderr)
    assert ("after the run" in finished.stdout + finished.stderr) is (setup not in PRINT_NOTHING_AT_THE_END)


def test_records_carry_their_run(sink: Sink) -> None:
    """A record has its text, level, extra fields, trace and span of the moment, run id, job and step."""
    succeed(
        """
        import logging, batchtel
        app = logging.getLogger("app.rows")
        app.addHandler(logging.NullHandler())
        app.setLevel(logging.DEBUG)
        app.propagate = False
        app.warning("before the run")
        with batchtel.job("logged", type="etl") as job:
            app.info("in the job, %d rows", 3, extra={"row": 7, "kind": "x"})
            with batchtel.step("inner"):
                app.critical("in the step")
                try:
                    raise ValueError("bad row")
                except ValueError:
                    app.exception("caught")
            app.debug("behind the step")
        app.warning("after the run")
        """,
        sink,
    )
    job, step = sink.span("batch_job.logged"), sink.span("batch_step.inner")
    records = [log for log in sink.logs() if log.scope == "app.rows"]
    assert [(record.body, record.severity) for record in records] == [
        ("in the job, 3 rows", "INFO"),
        ("in the step", "FATAL"),
        ("caught", "ERROR"),
        ("behind the step", "DEBUG"),
    ]
    for record, span in zip(records, (job, step, step, job), strict=True):
        assert (record.trace_id, record.span_id) == (span.trace_id, span.span_id)
        assert record.attributes["batch.run.id"] == job.attributes["batch.run.id"]
        assert record.attributes["batch.job.name"] == "logged"
        assert record.attributes.get("batch.step.name") == ("inner" if span is step else None)
    assert records[0].attributes["row"] == 7
    assert records[0].attributes["kind"] == "x"
    assert records[2].attributes["exception.type"] == "ValueError"
    assert "raise ValueError" in records[2].attributes["exception.stacktrace"]


def test_one_bad_record_takes_no_other_down(sink: Sink) -> None:
    """Text that is not UTF-8 and numbers beyond 64 bits are sent or dropped alone; the audit record arrives."""
    finished = run(
        """
        import logging, batchtel
        app = logging.getLogger("app")
        app.addHandler(logging.NullHandler())
        with batchtel.job("bad_records") as job:
            job.set(file="caf\\udce9", number=2**70)
            app.warning("before")
            app.warning("no UTF-8: %s", "caf\\udce9.csv")
            app.warning("too big", extra={"number": 2**70, "text": "\\udce9"})
            app.warning("after")
            job.failed_record("caf\\udce9", "\\udce9")
            raise OSError("no such file: caf\\udce9.csv")
        """,
        sink,
    )
    assert finished.code == 1
    assert finished.stderr.count("Traceback") == 1, finished.stderr
    bodies = [log.body for log in sink.logs()]
    assert {"before", "no UTF-8: caf\\udce9.csv", "after"} <= set(bodies), bodies
    assert sink.event("batch.record.failed").attributes["batch.record.id"] == "caf\\udce9"
    assert sink.event("batch.run.finished").attributes["exception.message"] == "no such file: caf\\udce9.csv"
    assert sink.span("batch_job.bad_records").attributes["file"] == "caf\\udce9"
    assert sink.total("batch.job.completions", status="failure", error_type="OSError") == 1


def test_bad_spans_of_libraries_take_no_other_down(sink: Sink) -> None:
    """A library's span that cannot be encoded is lost alone, and one line says so."""
    finished = run(
        """
        import batchtel
        from opentelemetry import trace
        with batchtel.job("bad_span"):
            for name in ("first", "\\udce9", "\\udce8", "last"):
                with trace.get_tracer("library").start_as_current_span(name, attributes={"number": 2**70}):
                    pass
        """,
        sink,
    )
    assert finished.code == 0
    assert [span.name for span in sink.spans()] == ["first", "last", "batch_job.bad_span"]
    [line] = finished.stderr.splitlines()
    assert "encode" in line, line


def test_a_handler_of_the_job_that_fails_fails_as_ever(sink: Sink) -> None:
    """An exception out of a handler reaches the line that logs, as without us."""
    finished = run(
        """
        import logging, batchtel
        app = logging.getLogger("app")
        app.addHandler(type("Failing", (logging.Handler,), {"emit": lambda self, record: 1 / 0})())
        with batchtel.job("failing_handler"):
            try:
                app.warning("lost")
            except ZeroDivisionError:
                print("failed")
        """,
        sink,
    )
    assert (finished.code, finished.stdout, finished.stderr) == (0, "failed\n", "")


def test_our_own_threads_are_never_sent(sink: Sink) -> None:
    """What exporters log in our threads while they fail is no record of the job."""
    sink.mode = "unavailable"
    finished = run(
        """
        import logging, sys, batchtel
        logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format="%(threadName)s %(name)s %(message)s")
        with batchtel.job("debugged"):
            logging.getLogger("app").warning("mine")
            batchtel.flush(0.5)
        """,
        sink,
        BATCHTEL_EXIT_TIMEOUT="0.5",
    )
    assert finished.code == 0
    assert sink.refused
    bodies = {
        (scope.scope.name, record.body.string_value)
        for path, message in sink.refused
        if path == "/v1/logs"
        for resource in message.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    }
    assert ("app", "mine") in bodies
    assert {name for name, _ in bodies} <= {"app", "batchtel"}, bodies
