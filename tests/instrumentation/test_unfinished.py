"""Functions that return before their work is done: the run ends when the work ends, and as it ends."""

from __future__ import annotations

from tests.support.process import succeed
from tests.support.sink import Sink

LOGGED = """
        import asyncio, functools, sys, types, batchtel

        def logged(function):
            @functools.wraps(function)
            def call(*args):
                return function(*args)
            return call
"""


def ended(sink: Sink) -> dict[str, tuple[str, str | None, int | None]]:
    """Return status, error type and processed records of the only run of each job."""
    finished = sink.events("batch.run.finished")
    assert len({event.attributes["batch.job.name"] for event in finished}) == len(finished)
    return {
        event.attributes["batch.job.name"]: (
            event.attributes["batch.status"],
            event.attributes.get("error.type"),
            event.attributes.get("batch.records.processed"),
        )
        for event in finished
    }


def test_a_run_ends_with_what_its_function_has_returned(sink: Sink) -> None:
    """Coroutines behind a decorator, an object, a partial or a lambda, generators of both kinds, and tasks."""
    succeed(
        LOGGED
        + """
        async def work(rows, fail=False):
            await asyncio.sleep(0.01)
            batchtel.current_job().records(processed=rows)
            if fail:
                raise ValueError("no rows")
            return rows

        class Callable:
            async def __call__(self, rows):
                return await work(rows, fail=True)

        class Held:
            @batchtel.job("static")
            @staticmethod
            async def static(rows):
                return await work(rows)

            @batchtel.job("class")
            @classmethod
            async def of_class(cls, rows):
                assert cls is Held
                return await work(rows)

        @types.coroutine
        def old(rows):
            yield from work(rows).__await__()

        coroutines = {
            "wrapped": (batchtel.job("wrapped")(logged(work)), None),
            "wrapped_fails": (batchtel.job("wrapped_fails")(logged(functools.partial(work, fail=True))), ValueError),
            "partial": (batchtel.job("partial")(functools.partial(work, fail=True)), ValueError),
            "object": (batchtel.job("object")(Callable()), ValueError),
            "lambda": (batchtel.job("lambda")(lambda rows: work(rows)), None),
            "twice": (batchtel.job("twice")(logged(logged(work))), None),
            "task": (batchtel.job("task")(lambda rows: asyncio.ensure_future(work(rows))), None),
            "task_fails": (batchtel.job("task_fails")(lambda _: asyncio.ensure_future(work(5, True))), ValueError),
            "gathered": (batchtel.job("gathered")(lambda rows: asyncio.gather(work(rows), work(rows))), None),
            "awaitable_generator": (batchtel.job("awaitable_generator")(logged(old)), None),
            "static": (Held.static, None),
            "class": (Held.of_class, None),
        }

        async def main():
            for function, error in coroutines.values():
                try:
                    assert await function(5) in (5, [5, 5], None) and error is None
                except ValueError:
                    assert error is ValueError

        asyncio.run(main())
        assert asyncio.run(batchtel.job("run")(logged(work))(5)) == 5

        @batchtel.job("rows")
        @logged
        def rows():
            for number in range(3):
                batchtel.current_job().records(processed=1)
                yield number
            raise ValueError("broken")

        try:
            list(rows())
        except ValueError:
            pass

        @batchtel.job("async_rows")
        @logged
        async def async_rows():
            for number in range(3):
                batchtel.current_job().records(processed=1)
                yield number
            raise ValueError("broken")

        async def consume():
            try:
                assert [row async for row in async_rows()] is None
            except ValueError:
                pass

        asyncio.run(consume())
        """,
        sink,
    )
    failed, done = ("failure", "ValueError", 5), ("success", None, 5)
    assert ended(sink) == {
        "wrapped": done,
        "wrapped_fails": failed,
        "partial": failed,
        "object": failed,
        "lambda": done,
        "twice": done,
        "task": done,
        "task_fails": failed,
        "gathered": ("success", None, 10),
        "awaitable_generator": done,
        "static": done,
        "class": done,
        "run": done,
        "rows": ("failure", "ValueError", 3),
        "async_rows": ("failure", "ValueError", 3),
    }


def test_work_that_never_ends_is_cancelled(sink: Sink) -> None:
    """A task that is cancelled, a generator that is never begun or left early, and a coroutine that nothing awaits."""
    succeed(
        LOGGED
        + """
        import warnings
        warnings.simplefilter("ignore")

        async def cancelled():
            task = batchtel.job("cancelled")(lambda: asyncio.ensure_future(asyncio.sleep(60)))()
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])

        asyncio.run(cancelled())

        @logged
        def rows():
            yield 1
            yield 2

        batchtel.job("never_begun")(rows)()
        for row in batchtel.job("left_early")(rows)():
            break
        batchtel.job("never_awaited")(logged(asyncio.sleep))(1)
        kept = batchtel.job("kept")(rows)()
        """,
        sink,
    )
    assert {job: status for job, (status, _, _) in ended(sink).items()} == dict.fromkeys(
        ("cancelled", "never_begun", "left_early", "never_awaited", "kept"), "cancelled"
    )


def test_steps_that_are_awaited_later_are_beside_each_other(sink: Sink) -> None:
    """A step is the current one only while it runs: of several that are open at once each is below the run."""
    succeed(
        LOGGED
        + """
        @batchtel.step("fetch")
        @logged
        async def fetch(rows):
            await asyncio.sleep(0.01)
            batchtel.current_step().records(read=rows)

        @batchtel.job("gathering")
        async def main():
            waiting = [fetch(rows) for rows in (1, 2, 3)]
            with batchtel.step("between"):
                pass
            await asyncio.gather(*waiting)

        asyncio.run(main())
        """,
        sink,
    )
    run = sink.span("batch_job.gathering")
    steps = [span for span in sink.spans() if span.name.startswith("batch_step.")]
    assert [span.parent_id for span in steps] == [run.span_id] * 4
    assert sorted(span.attributes.get("batch.records.read", 0) for span in steps) == [0, 1, 2, 3]


def test_decorators_without_parentheses(sink: Sink) -> None:
    """`@batchtel.job`, `@batchtel.step` and `@batchtel.retry` run the function, under its name."""
    succeed(
        LOGGED
        + """
        tries = []

        @batchtel.step
        def extract(rows):
            batchtel.current_step().records(read=rows)
            return rows

        @batchtel.job
        def nightly(rows):
            return extract(rows)

        @batchtel.job()
        async def hourly(rows):
            return extract(rows)

        @batchtel.retry
        def plain():
            return 7

        @batchtel.retry(delay=0)
        @batchtel.job
        @logged
        async def flaky():
            tries.append(1)
            await asyncio.sleep(0)
            if len(tries) < 3:
                raise OSError("not yet")
            return "third"

        assert nightly(5) == 5 and nightly.__name__ == "nightly"
        assert asyncio.run(hourly(6)) == 6
        assert plain() == 7
        assert asyncio.run(flaky()) == "third"
        assert batchtel.job(functools.partial(extract, 1))() == 1
        """,
        sink,
    )
    assert {job: status for job, (status, _, _) in ended(sink).items()} == dict.fromkeys(
        ("nightly", "hourly", "flaky", "extract"), "success"
    )
    assert sink.total("batch.step.records.read", step_name="extract") == 12
    assert len(sink.events("batch.attempt.failed")) == 2
    assert sink.total("batch.job.retries", job_name="flaky") == 2
