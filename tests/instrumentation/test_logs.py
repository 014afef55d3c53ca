"""The job's own `logging` records: copied with the context of their run, and otherwise left alone."""

from __future__ import annotations

import threading

import pytest

from tests.support.process import run, start, succeed
from tests.support.sink import Sink

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
        BATCHTEL_LOG_LEVEL="debug",
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


def test_one_bad_record_loses_no_other(sink: Sink) -> None:
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


def test_bad_spans_of_libraries_arrive(sink: Sink) -> None:
    """A library's span with text that is not UTF-8, or a number beyond 64 bits, arrives with both as text."""
    succeed(
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
    assert [span.name for span in sink.spans()] == ["first", "\\udce9", "\\udce8", "last", "batch_job.bad_span"]
    assert [span.attributes.get("number") for span in sink.spans()] == [*[str(2**70)] * 4, None]


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


STRANGE = {
    "a lone surrogate": (r"'caf\udce9'", "caf\\udce9"),
    "bytes": (r"b'caf\xe9 ok'", "caf\\xe9 ok"),
    "nested": (r"{'a': ['\udce9', b'\xe9', None]}", None),
    "a cycle": ("cycle", None),
    "a wide cycle": ("wide", None),
    "a huge number": ("2**70", str(2**70)),
    "a date": ("datetime.date(2026, 3, 1)", "2026-03-01"),
    "a set": ("{1}", [1]),
    "a list of several types": ("[1, 'a', 2.5, True, [2, 'b']]", [1, "a", 2.5, True, [2, "b"]]),
    "a mapping with such a list": ("{'rows': [1, 'a']}", None),
    "what raises": ("Raising()", "<Raising str() failed>"),
    "a mapping that raises": ("RaisingMapping()", None),
}


def test_every_value_of_a_record_is_escaped_and_none_is_lost(sink: Sink) -> None:
    """Each record arrives, whatever its fields, keys, logger, level or text are, and nothing is printed."""
    succeed(
        """
        import collections.abc, datetime, logging, sys, batchtel
        class Raising:
            def __str__(self): raise RuntimeError
            __repr__ = __str__
        class RaisingMapping(collections.abc.Mapping):
            def __getitem__(self, key): raise KeyError(key)
            def __iter__(self): raise RuntimeError
            def __len__(self): return 1
        class Hostile(ValueError):
            def __str__(self): raise RuntimeError
        cycle = {}; cycle["self"] = cycle
        wide = []; wide.extend([wide] * 200)
        app = logging.getLogger("app")
        app.addHandler(logging.NullHandler())
        app.propagate = False
        logging.addLevelName(35, "caf\\udce9")
        with batchtel.job("strange") as job:
            for name in sys.argv[1:]:
                app.warning("value", extra={"value": eval(name)})
                job.set({name[:20]: eval(name)})
            app.warning("key", extra={"caf\\udce9": 1, "event.name": b"\\xe9"})
            app.log(35, "caf\\udce9")
            app.getChild("caf\\udce9").warning("logger")
            app.warning(Raising())
            try:
                raise Hostile("x") from OSError("caf\\udce9")
            except Hostile:
                app.exception("caught")
        """,
        sink,
        *(text for text, _ in STRANGE.values()),
    )
    values = [log.attributes["value"] for log in sink.logs() if log.body == "value"]
    assert len(values) == len(STRANGE)
    assert [
        value for value, (_, shown) in zip(values, STRANGE.values(), strict=True) if shown not in (None, value)
    ] == []
    assert 'string_value: "a"' in str(values[list(STRANGE).index("a mapping with such a list")])
    assert [log.event for log in sink.logs() if log.body == "key"] == ["\\xe9"]
    assert {"key", "logger", "caf\\udce9", "<Raising str() failed>"} <= {log.body for log in sink.logs()}
    caught = next(log for log in sink.logs() if log.body == "caught")
    assert "OSError: caf\\udce9" in caught.attributes["exception.stacktrace"]
    assert len(sink.span("batch_job.strange").attributes) > len(STRANGE)


@pytest.mark.parametrize(
    "end",
    [
        "sys.exit('cannot read ' + name)",
        "sys.exit(['cannot read', name])",
        "raise OSError(name)",
        "sys.exit(name.encode('utf-8', 'surrogateescape'))",
    ],
)
def test_a_run_that_ends_with_a_strange_text_is_recorded(sink: Sink, end: str) -> None:
    """The span, the event and the count of a failure arrive, with the text escaped."""
    finished = run(
        f"""
        import os, sys, batchtel
        name = os.fsdecode(b"caf\\xe9.csv")
        with batchtel.job("ending"):
            {end}
        """,
        sink,
    )
    assert finished.code == 1
    assert sink.total("batch.job.completions", status="failure") == 1
    assert "caf\\" in sink.span("batch_job.ending").message
    assert "caf\\" in str(sink.event("batch.run.finished"))


FLOOD = """
    import logging, sys, batchtel
    lib, etl = logging.getLogger("lib"), logging.getLogger("etl")
    logging.root.addHandler(logging.NullHandler())
    logging.root.setLevel(logging.DEBUG)
    with batchtel.job("flood"):
        log = getattr(lib, sys.argv[1])
        for number in range(12_000):
            log("cache lookup %d", number)
        etl.error("the only line that matters", extra={"row": 7})
        for number in range(12_000, 14_000):
            log("cache lookup %d", number)
    """


def test_debug_is_not_sent_unless_asked_for(sink: Sink) -> None:
    """BATCHTEL_LOG_LEVEL is INFO by default: what libraries log at DEBUG stays where it is."""
    succeed(FLOOD, sink, "debug", BATCHTEL_EXIT_TIMEOUT="20", OTEL_EXPORTER_OTLP_TIMEOUT="20")
    assert [log.body for log in sink.logs() if not log.event] == ["the only line that matters"]


def test_of_a_flood_the_first_the_warnings_and_the_last_are_sent(sink: Sink) -> None:
    """10,000 as they come, an error beyond them, and the last 1,000 at the end, with their run, times and fields."""
    succeed(FLOOD, sink, "info", BATCHTEL_EXIT_TIMEOUT="20", OTEL_EXPORTER_OTLP_TIMEOUT="20")
    records = [log for log in sink.logs() if not log.event]
    numbers = [int(log.body.split()[-1]) for log in records if log.scope == "lib"]
    assert numbers == [*range(10_000), *range(13_000, 14_000)]
    [error] = [log for log in records if log.scope == "etl"]
    assert error.attributes["row"] == 7
    job = sink.span("batch_job.flood")
    assert {(log.trace_id, log.span_id, log.attributes["batch.run.id"]) for log in records} == {
        (job.trace_id, job.span_id, job.attributes["batch.run.id"])
    }


def test_the_audit_events_go_first(sink: Sink) -> None:
    """However much a job has logged, the request that is sent first at its end has `batch.run.finished`."""
    # The first request is on its way for all that time, and everything else waits.
    sink.mode = "late"
    script = """
        import logging, batchtel
        logging.root.addHandler(logging.NullHandler())
        with batchtel.job("audited"):
            for number in range(9_990):
                logging.error("line %d", number)
            print("logged", flush=True)
        """
    times = {"BATCHTEL_EXIT_TIMEOUT": "50", "OTEL_EXPORTER_OTLP_TIMEOUT": "50"}
    with start(script, sink, OTEL_BLRP_SCHEDULE_DELAY="60000", **times) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "logged\n"
        answer = threading.Timer(2, sink.release.set)
        answer.start()
        assert (*process.communicate(timeout=60), process.returncode) == ("", "", 0)
    requests = [
        [
            record.event_name
            for entry in message.resource_logs
            for scope in entry.scope_logs
            for record in scope.log_records
        ]
        for message in sink.of("logs")
    ]
    finished = next(number for number, names in enumerate(requests) if "batch.run.finished" in names)
    answer.cancel()
    assert finished <= 2 < len(requests) - 5, (finished, len(requests))
