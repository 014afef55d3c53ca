"""How a run ends, and that the process ends as it would without batchtel."""

from __future__ import annotations

import pytest

from tests.support.process import run, succeed
from tests.support.sink import Sink

ENDINGS = {
    # what the job does: exit code, status, error type, process.exit.code, batch.status.reason
    "pass": (0, "success", None, None, None),
    "raise ValueError('no rows')": (1, "failure", "ValueError", None, None),
    "raise SystemExit": (0, "success", None, 0, None),
    "raise SystemExit(0)": (0, "success", None, 0, None),
    "raise SystemExit(3)": (3, "failure", "SystemExit", 3, None),
    "raise SystemExit(-1)": (255, "failure", "SystemExit", 255, None),
    "raise SystemExit('text')": (1, "failure", "SystemExit", 1, "text"),
    "raise KeyboardInterrupt": (-2, "cancelled", None, None, "KeyboardInterrupt"),
    "raise GeneratorExit": (1, "cancelled", None, None, "GeneratorExit"),
    "import asyncio; raise asyncio.CancelledError": (1, "cancelled", None, None, "CancelledError"),
    "raise ExceptionGroup('two', [ValueError(1), KeyError(2)])": (1, "failure", "ExceptionGroup", None, None),
    "class Odd(BaseException): pass\nraise Odd": (1, "failure", "Odd", None, None),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_ending(sink: Sink, ending: str) -> None:
    """The status and what explains it are recorded; exit code, stdout and stderr are those of the job without us."""
    script = """
        import sys, batchtel
        def main():
            print("working")
            exec(sys.argv[1])
        with batchtel.job("ending"), batchtel.step("only"):
            main()
        """
    code, status, error_type, exit_code, reason = ENDINGS[ending]
    finished = run(script, sink, ending)
    without = run(script, None, ending, OTEL_SDK_DISABLED="true")
    assert (finished.code, finished.stdout, finished.stderr) == (code, "working\n", without.stderr)
    assert without.code == code

    for level in ("job", "step"):
        ended = [point for point in sink.points(f"batch.{level}.completions") if point.value]
        assert [(point.attributes["status"], point.attributes.get("error_type")) for point in ended] == [
            (status, error_type)
        ]
        entered = sorted(sink.points(f"batch.{level}.state.timestamp"), key=lambda point: point.value)
        # A gauge is repeated by each export, which a maximum does not mind.
        assert list(dict.fromkeys(point.attributes["state"] for point in entered)) == ["running", status]
    for attributes in (
        sink.event("batch.run.finished").attributes,
        sink.event("batch.step.finished").attributes,
        sink.span("batch_job.ending").attributes,
        sink.span("batch_step.only").attributes,
    ):
        assert attributes["batch.status"] == status
        assert attributes.get("error.type") == error_type
        assert attributes.get("process.exit.code") == exit_code
        assert attributes.get("batch.status.reason") == reason


def test_an_exception_is_recorded_once_in_full(sink: Sink) -> None:
    """The exception is one event on each span, a span status, and the audit record with its stack trace."""
    script = """
        import batchtel
        def fail():
            raise LookupError("row 7 has no customer")
        with batchtel.job("failing"), batchtel.step("load"):
            fail()
        """
    assert run(script, sink).code == 1
    for name in ("batch_job.failing", "batch_step.load"):
        span = sink.span(name)
        [(event, attributes)] = span.events
        assert event == "exception"
        assert attributes["exception.type"] == "LookupError"
        assert attributes["exception.message"] == "row 7 has no customer"
        assert ", in fail\\n" in attributes["exception.stacktrace"].replace("\n", "\\n")
        assert (span.status, span.message) == ("ERROR", "LookupError: row 7 has no customer")
    for name in ("batch.run.finished", "batch.step.finished"):
        record = sink.event(name)
        assert record.severity == "ERROR"
        assert record.attributes["exception.message"] == "row 7 has no customer"
        assert "in fail" in record.attributes["exception.stacktrace"]


def test_the_exception_leaves_unchanged(sink: Sink) -> None:
    """The same object with the same traceback, context, cause and notes leaves a run, in every form."""
    succeed(
        """
        import asyncio, traceback, batchtel

        def fail():
            try:
                raise KeyError("first")
            except KeyError:
                error = ValueError("second")
                error.add_note("note")
                raise error

        def seen(run):
            try:
                run()
            except ValueError as error:
                frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
                context, cause = error.__context__, error.__cause__
                assert isinstance(context, KeyError) and context.__context__ is None and cause is None
                return error.__notes__, [name for name in frames if name not in ("seen", "call")]
            raise AssertionError("swallowed")

        def plain():
            fail()
        def block():
            with batchtel.job("a"), batchtel.step("b"):
                fail()
        async def asynchronous():
            async with batchtel.job("c"):
                fail()
        def generator():
            yield fail()

        assert seen(plain) == (["note"], ["plain", "fail"])
        assert seen(block) == (["note"], ["block", "fail"])
        assert seen(batchtel.job("d")(plain)) == (["note"], ["plain", "fail"])
        assert seen(lambda: asyncio.run(asynchronous()))[1][-2:] == ["asynchronous", "fail"]
        assert seen(lambda: list(batchtel.job("e")(generator)()))[1][-2:] == ["generator", "fail"]

        kept = ValueError("kept")
        try:
            with batchtel.job("f"):
                raise kept
        except ValueError as error:
            assert error is kept and error.__context__ is None
        """,
        sink,
    )
    assert sink.total("batch.job.completions", status="failure", error_type="ValueError") == 5


def test_a_run_within_an_exception_handler_is_a_success(sink: Sink) -> None:
    """Only the exception that leaves the block counts, not the one that is being handled around it."""
    succeed(
        """
        import batchtel
        try:
            raise ValueError("before")
        except ValueError:
            with batchtel.job("handler"):
                pass
        with batchtel.job("caught"):
            try:
                with batchtel.step("inner"):
                    raise KeyError("caught")
            except KeyError:
                pass
        """,
        sink,
    )
    for job in ("handler", "caught"):
        assert sink.total("batch.job.completions", job_name=job, status="success") == 1
    assert sink.total("batch.step.completions", step_name="inner", status="failure", error_type="KeyError") == 1
    assert sink.span("batch_job.caught").status != "ERROR"
    assert sink.span("batch_job.caught").events == []


def test_cancellations_of_other_libraries(sink: Sink) -> None:
    """What trio cancels, and a greenlet that is killed, ends as cancelled."""
    succeed(
        """
        import gevent, trio, batchtel
        async def main():
            with trio.CancelScope() as scope:
                with batchtel.job("trio"):
                    scope.cancel()
                    await trio.sleep(10)
        trio.run(main)
        def work():
            with batchtel.job("gevent"):
                gevent.sleep(10)
        greenlet = gevent.spawn(work)
        gevent.sleep(0)
        greenlet.kill()
        """,
        sink,
    )
    for name, reason in (("trio", "Cancelled"), ("gevent", "GreenletExit")):
        assert sink.total("batch.job.completions", job_name=name, status="cancelled") == 1
        assert sink.span(f"batch_job.{name}").attributes["batch.status.reason"] == reason
