"""What belongs to the interpreter stays the job's: random numbers, and functions that tests of the job replace."""

from __future__ import annotations

import pytest

from tests.support.process import run
from tests.support.sink import Sink

RANDOM = """
    import atexit, random, sys
    random.seed(42)
    def unchanged(where):
        if random.getstate() != state:
            print("changed by", where)
    state = random.getstate()
    atexit.register(unchanged, "the exit")
    import batchtel, logging
    unchanged("the import")
    with batchtel.job("seeded") as job:
        print(job.trace_id, file=sys.stderr)
        with batchtel.step("inner") as step:
            step.records(read=1)
            step.failed_record(1, "bad")
        logging.getLogger("seeded").info("logged")
    unchanged("a run")
    batchtel.flush(1)
    unchanged("a flush")
    print(random.random())
    state = random.getstate()
    """


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "BATCHTEL_EXIT_TIMEOUT": "1"},
    ],
    ids=["recorded", "without spans", "disabled", "refused"],
)
def test_the_random_numbers_of_the_job_are_its_own(sink: Sink, variables: dict[str, str]) -> None:
    """A job that seeds `random` draws the same numbers with telemetry, and has a new trace id in each run."""
    finished = [run(RANDOM, sink, **variables) for _ in range(2)]
    assert [each.stdout for each in finished] == ["0.6394267984578837\n"] * 2
    ids = [each.stderr.splitlines()[0] if each.stderr else "" for each in finished]
    assert ids[0] != ids[1] or "OTEL_SDK_DISABLED" in variables


def test_library_spans_of_a_seeded_job(sink: Sink) -> None:
    """The tracer provider that batchtel makes draws no id of any span from `random`, nor the same one twice."""
    script = """
        import random, batchtel
        from opentelemetry import trace
        random.seed(42)
        with batchtel.job("seeded"), trace.get_tracer("library").start_as_current_span("SELECT"):
            pass
        print(random.random())
        """
    assert [run(script, sink).stdout for _ in range(2)] == ["0.6394267984578837\n"] * 2
    assert len({span.span_id for span in sink.spans()}) == 4


def test_mocks_of_the_job_are_answered_for_it_alone(sink: Sink) -> None:
    """A mock of a clock or of `open` counts the calls of the job, and has all its answers left for it."""
    finished = run(
        """
        import sys, time
        from unittest import mock
        import batchtel
        def clocks():
            return time.time(), time.time_ns(), time.monotonic(), time.perf_counter()
        for name in ("first", "second"):
            answers = {each: mock.Mock(side_effect=[1]) for each in ("time", "time_ns", "monotonic", "perf_counter")}
            opened = mock.mock_open(read_data="d")
            with mock.patch.multiple("time", **answers), mock.patch("builtins.open", opened) as one:
                with batchtel.job(name) as job:
                    with batchtel.step("inner") as step:
                        step.records(read=1)
                    job.records(processed=1)
                    print(clocks(), open("x").read())
                    batchtel.flush(20)
                one.assert_called_once_with("x")
        """,
        sink,
    )
    assert (finished.code, finished.stdout, finished.stderr) == (0, "(1, 1, 1, 1) d\n" * 2, "")
    assert sink.total("batch.job.completions", status="success") == 2


@pytest.mark.parametrize(
    "replaced", ["re.compile", "os.getpid", "resource.getrusage", "os.urandom", "logging.Logger.warning", "json.dumps"]
)
def test_whatever_raises_the_job_does_its_work(sink: Sink, replaced: str) -> None:
    """Where a test of the job lets a function fail that batchtel needs, no call of batchtel raises."""
    finished = run(
        """
        import json, logging, os, re, resource, sys
        from unittest import mock
        import batchtel
        @batchtel.job("decorated")
        def work():
            return "worked"
        for ending in (None, KeyError("mine")):
            with mock.patch(sys.argv[1], side_effect=RuntimeError("mock")):
                try:
                    with batchtel.job("failing") as job:
                        job.records(processed=1)
                        job.set(a=1)
                        assert isinstance(job.run_id + job.trace_id + job.name, str)
                        with batchtel.step("inner") as step:
                            step.records(read=1)
                        batchtel.current_job().records(processed=1)
                        batchtel.current_step().records(read=1)
                        if ending:
                            raise ending
                except KeyError as error:
                    assert error is ending
                print(work())
        """,
        sink,
        replaced,
        BATCHTEL_EXIT_TIMEOUT="1",
    )
    assert (finished.code, finished.stdout) == (0, "worked\nworked\n"), finished.stderr


def test_a_stopped_clock_does_not_delay_the_exit(refused: str) -> None:
    """Where every clock of the job stands still, as with freezegun, the exit waits as long as ever."""
    finished = run(
        """
        import sys, time
        def stop():
            for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"):
                found = getattr(time, name)
                def stopped(value=found()):
                    return value
                for module in list(sys.modules.values()):
                    # As freezegun does.
                    for attribute, value in list(vars(module).items()):
                        if value is found:
                            setattr(module, attribute, stopped)
        import batchtel
        if sys.argv[1] == "early":
            stop()
        with batchtel.job("frozen"):
            stop()
        """,
        None,
        "late",
        OTEL_EXPORTER_OTLP_ENDPOINT=refused,
    )
    assert finished.code == 0, finished.stderr
    assert finished.seconds < 6, finished.seconds
