"""A job that OTEL_SDK_DISABLED=true turns off: it reads from batchtel what others read, and loads little."""

from __future__ import annotations

import pytest

from tests.support.process import run, succeed
from tests.support.sink import Sink

READS = """
    import asyncio, functools, threading
    import batchtel

    @batchtel.step
    def plain():
        return batchtel.current_step().name, batchtel.current_job().run_id

    @batchtel.step("asked")
    async def coroutine():
        await asyncio.sleep(0)
        return batchtel.current_step().name

    @batchtel.step("late")
    def later():
        async def work():
            return batchtel.current_step().name
        return work()

    @batchtel.step("yielding")
    def generator():
        yield batchtel.current_step().name

    attempts = []

    @batchtel.retry(attempts=3, delay=0.001)
    @batchtel.job("again")
    def again():
        job = batchtel.current_job()
        attempts.append((job.attempt, job.run_id))
        if len(attempts) < 3:
            raise OSError
        return "done"

    with batchtel.job("outer", "etl", run_id="mine", attempt=2) as job:
        assert isinstance(job, batchtel.JobRun) and isinstance(batchtel.job("x"), batchtel.Job)
        print(job.name, job.run_id, job.attempt, job.newest_data)
        job.watermark(1_700_000_000)
        job.watermark("2001-01-01T00:00:00Z")
        print(job.newest_data, batchtel.current_job() is job, batchtel.current_step().name)
        with batchtel.job("outer") as same, batchtel.job("outer", run_id="other") as other:
            print(same is job, other is job, other.run_id, batchtel.current_job() is other)
        print(batchtel.current_job() is job)
        with batchtel.step("a") as step:
            assert isinstance(step, batchtel.StepRun)
            print(step.name, step.job is job, batchtel.current_step() is step)
            print(plain(), asyncio.run(coroutine()), list(generator()), asyncio.run(later()))
        with batchtel.job("inner") as inner:
            print(inner.name, inner is job, inner.trace_id == job.trace_id)
        unnamed = batchtel.job("two\\nlines")
        with unnamed as run, unnamed as again_the_same:
            print(run.name, again_the_same is run)
        try:
            with batchtel.step("failing"):
                raise KeyError("x")
        except KeyError as error:
            print(repr(error), batchtel.current_job() is job)
    print(again(), [number for number, _ in attempts], len({run_id for _, run_id in attempts}))
    print(batchtel.current_job().name, batchtel.current_step().name, batchtel.current_step().job.name)
    with batchtel.step("outside") as step:
        print(step.name, step.job.name)
    """

ACCEPTS = """
    import batchtel
    with batchtel.job("anything", "etl", 5, unknown=1, scheduled_at=object()) as job, batchtel.step("inner") as step:
        for handle in (job, step):
            for name in dir(handle):
                if callable(method := getattr(handle, name)):
                    assert method() is method(object(), -1, x=object()) is method(None) is None, name
        assert job.newest_data is None
        assert (job.trace_id, step.trace_id, batchtel.flush(), batchtel.flush(0.1)) == ("", "", True, True)
    assert job.attempt == 1 and len(job.run_id) == 36
    """

LOADS = """
    import sys, logging
    before = set(sys.modules)
    import batchtel
    with batchtel.job("quiet") as job, batchtel.step("inner") as step:
        job.records(processed=1)
        step.records(read=1)
    loaded = {name for name in set(sys.modules) - before}
    ours = {name for name in loaded if name.startswith("batchtel")}
    assert not [name for name in ours if name.split(".")[1:2] in (["telemetry"], ["export"], ["catalogue"], ["redact"])]
    assert len(ours) <= 25, ours
    wide = {"datetime", "inspect", "signal", "socket", "dataclasses", "subprocess", "shlex", "copy", "math"}
    assert not loaded & wide, loaded & wide
    """


def test_a_job_reads_the_same(sink: Sink) -> None:
    """Names, ids, attempts and what is the current run are those of a job that is recorded."""
    recorded = run(READS, sink, BATCHTEL_RUN_ID="given", BATCHTEL_ATTEMPT="4")
    off = run(READS, sink, BATCHTEL_RUN_ID="given", BATCHTEL_ATTEMPT="4", OTEL_SDK_DISABLED="true")
    assert (recorded.code, off.code, off.stderr) == (0, 0, ""), off.stderr
    assert off.stdout == recorded.stdout
    assert recorded.stdout.startswith("outer mine 2 None\n1700000000.0 True unknown\n")


def test_everything_is_accepted(sink: Sink) -> None:
    """Calls with any arguments return None, and nothing is logged or sent."""
    succeed(ACCEPTS, sink, OTEL_SDK_DISABLED="true")
    assert sink.headers == []


def test_little_is_loaded() -> None:
    """Neither what records nor the wider modules of the standard library: a job that is off starts without them."""
    succeed(LOADS, None, OTEL_SDK_DISABLED="true")


@pytest.mark.parametrize("end", ["os._exit(0)", "sys.exit(0)"])
def test_a_forked_child_is_off_as_well(sink: Sink, end: str) -> None:
    """A child that is forked within a run that is turned off has the same run, and records nothing."""
    succeed(
        f"""
        import os, sys, batchtel
        with batchtel.job("forking") as job:
            if (child := os.fork()) == 0:
                assert batchtel.current_job() is job
                with batchtel.step("in_child"):
                    pass
                {end}
            assert os.waitpid(child, 0)[1] == 0
        """,
        sink,
        OTEL_SDK_DISABLED="true",
    )
    assert sink.headers == []


def test_the_first_run_decides(sink: Sink) -> None:
    """What becomes of the variable after the first run has begun changes nothing for this process."""
    succeed(
        """
        import os, batchtel
        with batchtel.job("first"):
            del os.environ["OTEL_SDK_DISABLED"]
        with batchtel.job("second"):
            pass
        """,
        sink,
        OTEL_SDK_DISABLED="true",
    )
    assert sink.headers == []
    succeed(
        """
        import os, batchtel
        with batchtel.job("first"):
            os.environ["OTEL_SDK_DISABLED"] = "true"
        with batchtel.job("second"):
            pass
        """,
        sink,
    )
    assert sorted(span.name for span in sink.spans()) == ["batch_job.first", "batch_job.second"]


def test_a_capture_records_all_the_same() -> None:
    """Tests of a job see what it would count, also where their environment turns batchtel off."""
    succeed(
        """
        import batchtel
        from batchtel.testing import capture
        with batchtel.job("before"):
            pass
        with capture() as captured, batchtel.job("within"):
            pass
        assert [captured.counter("batch.job.runs.started", job_name=name) for name in ("before", "within")] == [0, 1]
        with capture() as captured:
            pass
        with batchtel.job("after"):
            pass
        assert captured.series("batch.job.runs.started") == []
        """,
        None,
        OTEL_SDK_DISABLED="true",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
    )
