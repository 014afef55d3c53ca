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
