"""The forms in which `job` and `step` can be written."""

from __future__ import annotations

import pytest

from tests.support.process import run, succeed
from tests.support.sink import Sink


@pytest.mark.compatible(
    "Processes",
    "asyncio, generators, asynchronous generators",
    "each run and step as it ends",
)
def test_context_managers_and_decorators_sync_and_async(sink: Sink) -> None:
    """Every form starts and completes one run or step, in one trace each, and hands results through."""
    succeed(
        """
        import asyncio, batchtel

        with batchtel.job("with") as run, batchtel.step("with_step"):
            assert batchtel.current_job() is run

        @batchtel.job("function")
        def function(left, right=2):
            with batchtel.step("function_step"):
                return left + right

        @batchtel.job("coroutine")
        async def coroutine(left):
            async with batchtel.step("coroutine_step"):
                await asyncio.sleep(0)
                return left

        @batchtel.job("generator")
        def generator(items):
            got = yield from items
            return got

        @batchtel.job("async_generator")
        async def async_generator(items):
            for item in items:
                yield item

        async def main():
            async with batchtel.job("async_with"):
                async with batchtel.step("async_with_step"):
                    pass
            assert await coroutine(7) == 7
            assert [item async for item in async_generator("ab")] == ["a", "b"]

        assert function(1, right=4) == 5
        assert list(generator([1, 2])) == [1, 2]
        asyncio.run(main())
        """,
        sink,
    )
    forms = ["with", "function", "coroutine", "generator", "async_generator", "async_with"]
    for form in forms:
        assert sink.total("batch.job.runs.started", job_name=form) == 1, form
        assert sink.total("batch.job.completions", job_name=form, status="success") == 1, form
    for form in ("with", "function", "coroutine", "async_with"):
        child, parent = sink.span(f"batch_step.{form}_step"), sink.span(f"batch_job.{form}")
        assert (child.parent_id, child.trace_id) == (parent.span_id, parent.trace_id), form
    assert len({span.trace_id for span in sink.spans()}) == len(forms)


def test_decorators_keep_what_the_function_is(sink: Sink) -> None:
    """Name, documentation, signature and kind of the function stay, for tools such as schedulers ask for them."""
    succeed(
        """
        import asyncio, inspect, batchtel

        def function(left: int, *, right: str = "x") -> None:
            "What it does."
        async def coroutine(left: int) -> None: ...
        def generator(left: int): yield
        async def async_generator(left: int): yield

        for made in (batchtel.job("a"), batchtel.step("b")):
            for plain in (function, coroutine, generator, async_generator):
                decorated = made(plain)
                assert decorated.__wrapped__ is plain
                assert (decorated.__name__, decorated.__doc__) == (plain.__name__, plain.__doc__)
                assert inspect.signature(decorated) == inspect.signature(plain)
                for kind in ("iscoroutinefunction", "isgeneratorfunction", "isasyncgenfunction"):
                    assert getattr(inspect, kind)(decorated) == getattr(inspect, kind)(plain), (plain, kind)
        """,
        sink,
    )


def test_generators_receive_sent_values_and_errors(sink: Sink) -> None:
    """send, throw and close reach a decorated generator, and the run ends as the generator does."""
    succeed(
        """
        import batchtel

        @batchtel.job("echo")
        def echo():
            got = []
            while len(got) < 2:
                try:
                    got.append((yield len(got)))
                except KeyError:
                    got.append("caught")
            return got

        running = echo()
        assert next(running) == 0 and running.send("sent") == 1
        try:
            running.throw(KeyError("k"))
        except StopIteration as stop:
            assert stop.value == ["sent", "caught"]

        @batchtel.job("closed")
        def closed():
            try:
                yield 1
                yield 2
            finally:
                batchtel.current_job().records(processed=1)

        running = closed()
        next(running)
        running.close()

        @batchtel.job("broken")
        def broken():
            yield 1
            raise ValueError("no")

        try:
            list(broken())
        except ValueError:
            pass
        """,
        sink,
    )
    assert sink.total("batch.job.completions", job_name="echo", status="success") == 1
    assert sink.total("batch.job.completions", job_name="closed", status="cancelled") == 1
    assert sink.total("batch.job.records.processed", job_name="closed") == 1
    assert sink.total("batch.job.completions", job_name="broken", status="failure", error_type="ValueError") == 1


def test_asynchronous_generators_receive_sent_values_and_errors(sink: Sink) -> None:
    """asend, athrow and aclose reach a decorated generator, which may be a context manager; runs end as it does."""
    succeed(
        """
        import asyncio, contextlib, batchtel

        @batchtel.job("echo")
        async def echo():
            got = []
            while len(got) < 2:
                try:
                    got.append((yield got[:]))
                except KeyError as error:
                    assert error is thrown and error.__context__ is None
                    got.append("caught")
            yield got

        @batchtel.job("closed")
        async def closed():
            try:
                yield 1
                yield 2
            finally:
                await asyncio.sleep(0)
                batchtel.current_job().records(processed=1)

        @contextlib.asynccontextmanager
        @batchtel.job("managed")
        async def managed(handled):
            try:
                yield "resource"
            except KeyError:
                handled.append("rolled back")
                raise

        thrown = KeyError("k")

        async def main():
            running = echo()
            assert await anext(running) == []
            assert await running.asend("sent") == ["sent"]
            assert await running.athrow(thrown) == ["sent", "caught"]
            assert [item async for item in running] == []
            running = closed()
            assert await anext(running) == 1
            await running.aclose()
            handled = []
            try:
                async with managed(handled) as resource:
                    raise thrown
            except KeyError as error:
                assert error is thrown and error.__context__ is None
            assert (resource, handled) == ("resource", ["rolled back"])

        asyncio.run(main())
        """,
        sink,
    )
    assert sink.total("batch.job.completions", job_name="echo", status="success") == 1
    assert sink.total("batch.job.completions", job_name="closed", status="cancelled") == 1
    assert sink.total("batch.job.records.processed", job_name="closed") == 1
    assert sink.total("batch.job.completions", job_name="managed", status="failure", error_type="KeyError") == 1


def test_a_generator_may_be_closed_elsewhere(sink: Sink) -> None:
    """A generator that another thread closes ends its run, and neither context keeps it."""
    succeed(
        """
        import threading, batchtel

        def work():
            with batchtel.job("elsewhere"):
                yield

        running = work()
        next(running)
        thread = threading.Thread(target=running.close)
        thread.start()
        thread.join()
        assert batchtel.current_job().trace_id == ""
        with batchtel.job("after"):
            pass
        """,
        sink,
    )
    assert sink.total("batch.job.completions", job_name="elsewhere", status="cancelled") == 1
    assert sink.total("batch.job.completions", job_name="after", status="success") == 1


def test_one_object_serves_many_runs_at_the_same_time(sink: Sink) -> None:
    """One job object entered by 8 threads and 8 tasks at once makes 16 runs, each with its own id, trace and step."""
    succeed(
        """
        import asyncio, threading, batchtel

        shared, part = batchtel.job("shared"), batchtel.step("part")
        barrier, ids = threading.Barrier(8), []

        def work():
            with shared as run:
                barrier.wait(20)
                with part as step:
                    assert batchtel.current_step() is step and step.job is run
                    barrier.wait(20)
                run.records(processed=1)
                ids.append((run.run_id, run.trace_id))

        async def task(everyone):
            async with shared as run:
                await everyone.wait()
                with part as step:
                    await asyncio.sleep(0)
                    assert batchtel.current_step() is step and step.job is run
                run.records(processed=1)
                ids.append((run.run_id, run.trace_id))

        async def main():
            await asyncio.gather(*(task(everyone) for everyone in [asyncio.Barrier(8)] * 8))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        asyncio.run(main())
        assert len({run_id for run_id, _ in ids}) == len({trace for _, trace in ids}) == 16, ids
        """,
        sink,
    )
    assert sink.total("batch.job.completions", job_name="shared", status="success") == 16
    assert sink.total("batch.step.completions", step_name="part", status="success") == 16
    assert len(sink.events("batch.run.finished")) == 16
    assert {event.attributes["batch.records.processed"] for event in sink.events("batch.run.finished")} == {1}
    assert len({span.trace_id for span in sink.spans()}) == 16


def test_the_same_name_inside_joins_and_another_is_a_child(sink: Sink) -> None:
    """A job of the same name inside is the same run; one of another name is a run of its own in the same trace."""
    succeed(
        """
        import batchtel

        with batchtel.job("outer") as outer:
            with batchtel.job("outer") as joined:
                assert joined is outer
            joined.records(processed=1)
            with batchtel.job("inner") as inner:
                assert inner.run_id != outer.run_id and inner.trace_id == outer.trace_id
            with batchtel.job("outer", run_id="another") as other:
                assert other is not outer
            assert batchtel.current_job() is outer
        """,
        sink,
    )
    assert sink.total("batch.job.completions", job_name="outer", status="success") == 2
    assert sink.total("batch.job.completions", job_name="inner", status="success") == 1
    spans = {span.attributes["batch.run.id"]: span for span in sink.spans()}
    assert len(spans) == 3
    top = next(span for span in spans.values() if not span.parent_id)
    assert all(span.parent_id == top.span_id for span in spans.values() if span is not top)


def test_threads_of_a_run_belong_to_it(sink: Sink) -> None:
    """A step in a thread that did not inherit the context joins the process's only run, in its trace."""
    finished = run(
        """
        import logging, threading, batchtel
        logging.getLogger("app").addHandler(logging.NullHandler())

        def work():
            logging.getLogger("app").warning("from the thread")
            with batchtel.step("threaded") as step:
                step.records(read=3)
                batchtel.current_job().records(processed=3)

        with batchtel.job("pooled"):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        """,
        sink,
    )
    assert (finished.code, finished.stderr) == (0, "")
    job, step = sink.span("batch_job.pooled"), sink.span("batch_step.threaded")
    assert (step.trace_id, step.parent_id) == (job.trace_id, job.span_id)
    assert sink.total("batch.job.records.processed", job_name="pooled") == 3
    record = next(log for log in sink.logs() if log.scope == "app")
    assert record.attributes["batch.run.id"] == job.attributes["batch.run.id"]
    assert (record.trace_id, record.span_id) == (job.trace_id, job.span_id)


def test_counts_from_many_threads_add_up(sink: Sink) -> None:
    """8 threads that count 2,000 records each make 16,000, in the metrics and in the audit records of run and step."""
    succeed(
        """
        import sys, threading, batchtel
        sys.setswitchinterval(1e-6)

        with batchtel.job("counted") as run, batchtel.step("counting") as step:
            def work():
                for _ in range(2000):
                    run.records(processed=1)
                    step.records(read=1)
            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
        """,
        sink,
    )
    assert sink.total("batch.job.records.processed", job_name="counted") == 16000
    assert sink.event("batch.run.finished").attributes["batch.records.processed"] == 16000
    assert sink.total("batch.step.records.read", step_name="counting") == 16000
    assert sink.event("batch.step.finished").attributes["batch.records.read"] == 16000


def test_limits_of_a_run_hold_for_all_its_threads(sink: Sink) -> None:
    """Of the records that 8 threads log or report as failed the first are sent, and one event each reports more."""
    succeed(
        """
        import logging, sys, threading, batchtel
        logging.getLogger("worker").propagate = False
        logging.getLogger("worker").addHandler(logging.NullHandler())
        logging.getLogger("worker").setLevel(logging.INFO)
        sys.setswitchinterval(1e-6)

        with batchtel.job("talkative") as run:
            def work():
                for number in range(1500):
                    logging.getLogger("worker").info("again")
                    run.failed_record(number, "bad")
            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
        """,
        sink,
        BATCHTEL_EXIT_TIMEOUT="30",
        OTEL_EXPORTER_OTLP_TIMEOUT="30",
    )
    assert len([log for log in sink.logs() if log.scope == "worker"]) == 11_000
    assert sink.event("batch.log.limit").body.endswith(
        " has logged more than 10000 records; of the rest warnings are sent, and the last 1000 at its end"
    )
    failed = [event.body for event in sink.events("batch.record.failed")]
    assert len(failed) == 101
    assert [body for body in failed if body.startswith("more than")] == [
        "more than 100 records failed; the rest is counted, not logged"
    ]
    assert sink.total("batch.job.records.failed") == 8 * 1500


def test_steps_outside_of_a_job_do_their_work(sink: Sink) -> None:
    """A step outside of any job records nothing and warns once."""
    finished = run(
        """
        import batchtel
        for _ in range(2):
            with batchtel.step("lonely") as step:
                step.records(read=1)
                step.failed_record(1, "no")
        batchtel.current_job().records(processed=1)
        batchtel.current_step().records(read=1)
        """,
        sink,
    )
    assert (finished.code, finished.stdout) == (0, "")
    assert finished.stderr == "step 'lonely' runs outside of any job(), so it is not recorded\n"
    assert sink.requests == []
