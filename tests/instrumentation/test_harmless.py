"""What goes wrong inside of telemetry stays there: the job's result, output and exceptions are its own."""

from __future__ import annotations

import signal

import pytest

from tests.support.process import run, start, succeed
from tests.support.sink import Sink

BREAK = {
    "a run's start": "from batchtel.runs.recorder import Recorder as broken; broken.start = fail",
    "a run's end": "from batchtel.runs.recorder import Recorder as broken; broken.finish = fail",
    "telemetry": "import batchtel.telemetry.providers as broken; broken.Telemetry.__init__ = fail",
    "resource": "from opentelemetry.sdk.resources import Resource as broken; broken.create = fail",
    "meter": "from batchtel.telemetry.metrics import Meter as broken; broken.add = broken.record = broken.reach = fail",
    "spans": "from opentelemetry.sdk.trace import Tracer as broken; broken.start_span = fail",
    "threads": "import threading as broken; broken.Thread.start = fail",
    "context": "import opentelemetry.context as broken; broken.attach = fail",
    "client": "import batchtel.export.client as broken; broken.build = fail",
}


@pytest.mark.parametrize("part", BREAK)
def test_a_broken_part_does_not_reach_the_job(sink: Sink, part: str) -> None:
    """Whichever part of telemetry raises, the job works, its exception is its own, and stdout is clean."""
    finished = run(
        """
        import sys, time, batchtel
        def fail(*args, **kwargs):
            raise RuntimeError("inside telemetry")
        exec(sys.argv[1])
        done = []
        for ending in (None, KeyError("mine")):
            try:
                with batchtel.job("harmless") as job:
                    job.records(processed=1)
                    job.quality(1.0)
                    job.watermark(1700000000)
                    job.inputs("a")
                    job.set(a=1)
                    job.failed_record(1, "bad")
                    with batchtel.step("inner") as step:
                        step.records(read=1, written=1)
                        step.failed_record(1, ValueError("bad"))
                    batchtel.current_job().records(processed=1)
                    batchtel.current_step().records(read=1)
                    if ending:
                        raise ending
                done.append(None)
            except KeyError as error:
                assert error is ending and error.__context__ is None
                done.append(error)
        batchtel.job("decorated")(lambda: done.append("called"))()
        print(done)
        sys.exit(5)
        """,
        sink,
        BREAK[part],
        BATCHTEL_EXIT_TIMEOUT="1",
    )
    assert (finished.code, finished.stdout) == (5, "[None, KeyError('mine'), 'called']\n"), finished.stderr
    assert "inside telemetry" in finished.stderr or finished.stderr == ""


def test_a_flush_that_cannot_export_returns_false(sink: Sink) -> None:
    """Where no client can be made nothing is delivered, and flush() returns False."""
    finished = run(
        """
        import batchtel
        from batchtel.export import client
        def fail(*args):
            raise RuntimeError("inside telemetry")
        client.build = fail
        with batchtel.job("unsent"):
            pass
        print(batchtel.flush(20))
        """,
        sink,
    )
    assert (finished.code, finished.stdout) == (0, "False\n")
    assert "inside telemetry" in finished.stderr


def test_a_span_processor_of_the_job_that_raises(sink: Sink) -> None:
    """The counts and the audit record of a run arrive although the job's own span processor raises."""
    finished = run(
        """
        import batchtel
        from opentelemetry import trace
        from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

        class Broken(SpanProcessor):
            def on_end(self, span):
                raise RuntimeError("processor")

        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(Broken())
        trace.set_tracer_provider(provider)
        with batchtel.job("processed"), batchtel.step("inner"):
            print("worked")
        """,
        sink,
    )
    assert (finished.code, finished.stdout) == (0, "worked\n")
    assert sink.total("batch.job.completions", status="success") == 1
    assert sink.total("batch.step.completions", status="success") == 1
    assert sink.event("batch.run.finished").attributes["batch.status"] == "success"


def test_values_that_cannot_be_shown(sink: Sink) -> None:
    """Attributes, ids and exceptions whose __str__ raises are recorded by their class, and the run is complete."""
    finished = run(
        """
        import batchtel
        class Odd(Exception):
            def __str__(self):
                raise RuntimeError("no text")
            __repr__ = __str__
        with batchtel.job("odd") as job:
            job.set(odd=Odd(), many=[Odd()])
            job.failed_record(Odd(), Odd())
            with batchtel.step("inner") as step:
                step.failed_record(1, Odd())
        try:
            with batchtel.job("odd"):
                raise Odd
        except Odd:
            print("mine")
        """,
        sink,
    )
    assert (finished.code, finished.stdout, finished.stderr) == (0, "mine\n", "")
    shown = "<Odd str() failed>"
    first, last = sink.events("batch.run.finished")
    assert (first.attributes["odd"], first.attributes["many"]) == (shown, [shown])
    assert last.attributes["exception.message"] == shown
    assert sink.events("batch.record.failed")[0].attributes["batch.record.id"] == shown
    assert sink.total("batch.job.completions", status="failure", error_type="Odd") == 1
    assert len([span for span in sink.spans() if span.name == "batch_job.odd"]) == 2


def test_an_interrupt_inside_of_our_code_is_the_jobs(sink: Sink) -> None:
    """A KeyboardInterrupt or SystemExit that arrives while our code runs is not swallowed."""
    succeed(
        """
        import batchtel
        from batchtel.telemetry.metrics import Meter
        def interrupt(*args):
            raise kind
        plain = Meter.add
        for kind in (KeyboardInterrupt, SystemExit):
            with batchtel.job("interrupted") as job:
                try:
                    Meter.add = interrupt
                    job.records(processed=1)
                except kind:
                    pass
                else:
                    raise AssertionError("swallowed")
                finally:
                    Meter.add = plain
        """,
        sink,
    )
    assert sink.total("batch.job.completions", job_name="interrupted", status="success") == 2


def test_ctrl_c_ends_the_job_as_ever(sink: Sink) -> None:
    """SIGINT while the job works is a KeyboardInterrupt there; the run is cancelled, the process dies by SIGINT."""
    script = """
        import sys, batchtel
        with batchtel.job("stopped"):
            sys.stdin.read()
        """
    with start(script, sink) as process:
        sink.wait_event("batch.run.started")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert sink.total("batch.job.completions", status="cancelled") == 1


def test_mistakes_in_a_loop_are_reported_once(sink: Sink) -> None:
    """A user's mistake in a loop is reported once, not once a turn."""
    finished = run(
        """
        import batchtel
        with batchtel.job("looping") as job:
            for number in range(1000):
                job.records(processed=-number - 1)
                job.quality(number + 2)
                job.set({"batch.status": number})
        """,
        sink,
    )
    assert finished.code == 0
    assert len(finished.stderr.splitlines()) == 3, finished.stderr


def test_a_recursive_step_that_fails(sink: Sink) -> None:
    """Each level of a recursion that fails keeps the innermost frames only, and the limit of recursion is no defect."""
    finished = run(
        """
        import sys, batchtel
        @batchtel.step("walk")
        def walk(depth):
            if depth == int(sys.argv[1]):
                raise ValueError("leaf")
            walk(depth + 1)
        for depth in ("100", "100000"):
            sys.argv[1:] = [depth]
            try:
                with batchtel.job("walk"):
                    walk(0)
            except (ValueError, RecursionError) as error:
                print(type(error).__name__)
        """,
        sink,
        BATCHTEL_EXIT_TIMEOUT="20",
    )
    assert (finished.code, finished.stdout, finished.stderr) == (0, "ValueError\nRecursionError\n", "")
    first, _ = sink.events("batch.run.finished")
    note, head, *frames = first.attributes["exception.stacktrace"].splitlines()
    assert (note, head) == ("[139 outer frames are left out]", "Traceback (most recent call last):")
    assert frames[-1] == "ValueError: leaf"
