"""Whatever a caller hands over, the job goes on, its mistake is reported as its own, and no other count is lost."""

from __future__ import annotations

import pytest

from tests.support.process import run, succeed
from tests.support.sink import Sink

ODD = '''
import datetime, decimal, enum
class Odd:
    """Raises whatever is asked of it, as pandas.NA and numpy arrays do where they are asked for their truth."""
    def __str__(self): raise RuntimeError("nothing to see")
    __repr__ = __format__ = __bool__ = __eq__ = __hash__ = __int__ = __float__ = __index__ = __iter__ = __str__
    __len__ = __fspath__ = keys = __getitem__ = __str__
class Date(datetime.datetime):
    def utcoffset(self): raise ValueError("no time")
    timestamp = utcoffset
VALUES = [Odd(), Odd, Date(2026, 3, 1), None, object(), b"x", "\\udcff", float("nan"), float("inf"), 2**80, -1, [1],
          {1: 2}, {1}, lambda: 1, "x" * 1000, "", enum.Enum("E", "A").A, (Odd(),)]
'''


def test_no_value_raises_into_the_job(sink: Sink) -> None:
    """Each argument of each call is any object, in its place or out of it; every result is the job's own."""
    finished = run(
        ODD
        + """
import batchtel
done = 0
for value in VALUES:
    # A callable in the first place is what a decorator without parentheses is given.
    for job in (
        batchtel.job("odd") if callable(value) else batchtel.job(value), batchtel.job("odd", value),
        batchtel.job("odd", "etl", value, value), batchtel.job(),
        batchtel.job("odd", run_id=value, attempt=value, scheduled_at=value, queued_at=value),
        batchtel.job(name="odd", colour=value),
    ):
        step = batchtel.step("odd") if callable(value) else batchtel.step(value)
        with job as run, step as step, batchtel.step() as other:
            for scope in (run, step):
                for name in dir(type(scope)):
                    if name in ("records", "failed_record", "quality", "watermark", "progress", "set", "inputs",
                                "outputs", "skip", "timeout"):
                        method = getattr(scope, name)
                        method(); method(value); method(value, value); method(value, value, value, value)
                        method(colour=value); method(value, colour=value)
            run.records(processed=value, failed=value)
            step.records(read=value, written=value, failed=value)
            run.progress(lambda: value, total=value)
            run.progress(lambda: 1 / 0)
            run.quality(0.5, schema_version=value)
            run.set(value, value=value)
        done += 1
    for retry in (batchtel.retry() if callable(value) else batchtel.retry(value),
                  batchtel.retry(2, delay=value, factor=value, longest=value, on=value), batchtel.retry(2, 3, 4),
                  batchtel.retry(colour=value),
                  batchtel.retry(attempts=1, on=(value, OSError))):
        done += retry(lambda: 1)()
batchtel.flush(Odd()), batchtel.flush(20, 20)
print(done == 11 * len(VALUES))
""",
        sink,
    )
    assert (finished.code, finished.stdout) == (0, "True\n"), finished.stderr
    assert "defect of batchtel" not in finished.stderr
    assert "Traceback" not in finished.stderr
    assert len(finished.stderr.splitlines()) <= 50
    assert sink.total("batch.job.completions") == 19 * 6


MISTAKES = {
    "job.records(98, 2)": "job.records(processed=98, failed=2)",
    "job.records(processed=98, failed=2, read=100)": "job.records(processed=98, failed=2)",
    "job.records(processed=98, failed=2); job.records(failed='many')": "failed=many is not a whole number of records",
    "job.records(processed=98, failed=2); job.progress(1, 2, 3)": "job.progress(120, total=1000)",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_names_the_call_that_was_meant(sink: Sink, mistake: str) -> None:
    """One line names it, and what can be counted is."""
    script = """
        import sys, batchtel
        with batchtel.job("mistaken") as job:
            for _ in range(3):
                exec(sys.argv[1])
        """
    finished = run(script, sink, mistake)
    assert (finished.code, finished.stdout) == (0, "")
    assert len(finished.stderr.splitlines()) == 1
    assert MISTAKES[mistake] in finished.stderr
    assert sink.total("batch.job.records.processed") == 294
    assert sink.total("batch.job.records.failed") == 6


def test_numbers_of_other_kinds_count(sink: Sink) -> None:
    """Whole numbers count, whichever class they have."""
    succeed(
        """
        import decimal, fractions, batchtel
        class Number:
            def __float__(self):
                return 4.0
        with batchtel.job("numbers") as job:
            for number in (1, 1.0, decimal.Decimal("1"), fractions.Fraction(2, 2), Number()):
                job.records(processed=number)
        """,
        sink,
    )
    assert sink.total("batch.job.records.processed") == 8


def test_warnings_are_bounded_whatever_names_are_made(sink: Sink) -> None:
    """Names that are generated, each with a mistake of its own, end in a handful of lines."""
    finished = run(
        """
        import batchtel
        for number in range(20):
            with batchtel.job(f"load\\n{number}"):
                with batchtel.step("x" * 130 + str(number)), batchtel.step(f" {number}"):
                    pass
            with batchtel.step(f"outside {number}"):
                pass
        """,
        sink,
    )
    assert finished.code == 0
    lines = finished.stderr.splitlines()
    assert len(lines) == 10, finished.stderr
    assert len([line for line in lines if line.endswith("(further warnings of this kind are left out)")]) == 2


def test_leaving_what_was_not_entered(sink: Sink) -> None:
    """`__exit__` without `__enter__` is not the job's end."""
    succeed("import batchtel; batchtel.job('left').__exit__(None, None, None)", sink)
