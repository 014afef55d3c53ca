"""Every nesting of the ways in: each run is counted once, and the trace shows who started whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.instrumentation.ways_in.command import PROGRAMS, call, instrumented, python, wrapped
from tests.support.process import succeed
from tests.support.sink import Log, Sink, Span

JOB = """
    import sys, logging, batchtel
    with batchtel.job(sys.argv[1]) as run, batchtel.step("load") as step:
        step.records(read=2)
        run.records(processed=5)
        logging.getLogger("inner").warning("logged within")
    """

RUNNER = """
    import subprocess, sys, batchtel
    with batchtel.job(sys.argv[1]):
        subprocess.run(sys.argv[2:], check=True)
    """


def runs(sink: Sink) -> dict[str, tuple[float, float]]:
    """Return how often each job started and completed; fails where one of the two is reported without the other."""
    jobs = {str(point.attributes["job_name"]) for point in sink.points("batch.job.runs.started") if point.value}
    ended = {str(point.attributes["job_name"]) for point in sink.points("batch.job.completions") if point.value}
    assert jobs == ended
    return {
        job: (
            sink.total("batch.job.runs.started", job_name=job),
            sink.total("batch.job.completions", job_name=job, status="success"),
        )
        for job in jobs
    }


def is_child(child: Span, parent: Span) -> bool:
    """Whether `parent` is the parent of `child`."""
    return (child.trace_id, child.parent_id) == (parent.trace_id, parent.span_id)


def logged(sink: Sink) -> Log:
    """Return the only record of the inner job's own log."""
    [record] = [log for log in sink.logs() if log.scope == "inner"]
    return record


def test_a_run_in_a_run(sink: Sink) -> None:
    """Without a name of its own the inner command is part of the outer run; the exit code comes through both."""
    finished = call(wrapped(*wrapped("sh", "-c", "exit 0"), options=("--job", "outer")), sink)
    assert (finished.returncode, finished.stderr) == (0, b"")
    assert runs(sink) == {"outer": (1, 1)}
    assert [span.name for span in sink.spans()] == ["batch_job.outer"]
    assert len(sink.events("batch.run.finished")) == len(sink.events("batch.run.started")) == 1


def test_a_run_of_another_job_in_a_run(sink: Sink) -> None:
    """Under another name it is a run of its own, with an id of its own, below the outer one in the trace."""
    inner = wrapped("printenv", "BATCHTEL_RUN_ID", "BATCHTEL_JOB", options=("--job", "inner"))
    finished = call(wrapped(*inner, options=("--job", "outer", "--attempt", "2")), sink)
    assert runs(sink) == {"outer": (1, 1), "inner": (1, 1)}
    outer, below = sink.span("batch_job.outer"), sink.span("batch_job.inner")
    assert is_child(below, outer)
    assert below.attributes["batch.run.id"] != outer.attributes["batch.run.id"]
    assert finished.stdout.decode().split() == [below.attributes["batch.run.id"], "inner"]
    assert (outer.attributes["batch.run.attempt"], below.attributes["batch.run.attempt"]) == (2, 1)


def test_a_failing_run_in_a_run(sink: Sink) -> None:
    """Both are failures with the same exit code."""
    finished = call(
        wrapped(*wrapped("sh", "-c", "exit 9", options=("--job", "inner")), options=("--job", "outer")), sink
    )
    assert finished.returncode == 9
    for job in ("outer", "inner"):
        assert sink.total("batch.job.completions", job_name=job, status="failure") == 1
        assert sink.span(f"batch_job.{job}").attributes["process.exit.code"] == 9


@pytest.mark.parametrize("inner", ["same", "other"])
def test_a_job_in_a_job(sink: Sink, inner: str) -> None:
    """In one process: the same name joins, another one is a run below it."""
    succeed(
        """
        import sys, batchtel
        with batchtel.job("same") as outer, batchtel.job(sys.argv[1]) as inner:
            inner.records(processed=5)
            assert (inner.run_id == outer.run_id) is (sys.argv[1] == "same")
        """,
        sink,
        inner,
    )
    assert runs(sink) == dict.fromkeys({"same", inner}, (1, 1))
    assert sink.total("batch.job.records.processed", job_name=inner) == 5
    if inner == "other":
        assert is_child(sink.span("batch_job.other"), sink.span("batch_job.same"))


@pytest.mark.parametrize("inner", ["same", "other"])
def test_a_job_in_a_run(sink: Sink, inner: str) -> None:
    """`batchtel run` around a program with job(): the same name joins; records and logs are the run's."""
    finished = call(wrapped(*python(JOB, inner), options=("--job", "same")), sink)
    assert (finished.returncode, finished.stderr) == (0, b"logged within\n")
    assert runs(sink) == dict.fromkeys({"same", inner}, (1, 1))
    outer = sink.span("batch_job.same")
    around = outer if inner == "same" else sink.span("batch_job.other")
    assert inner == "same" or is_child(around, outer)
    assert is_child(sink.span("batch_step.load"), around)
    assert sink.total("batch.job.records.processed", job_name=inner) == 5
    assert logged(sink).trace_id == outer.trace_id
    assert logged(sink).attributes["batch.run.id"] == around.attributes["batch.run.id"]
    if inner == "same":
        reported = sink.event("batch.run.reported").attributes
        assert reported["batch.records.processed"] == 5


def test_a_job_of_the_type_of_its_run(sink: Sink) -> None:
    """What a joined job counts has the same labels as the run that it is part of."""
    call(wrapped(*python(JOB, "typed"), options=("--job", "typed", "--type", "etl")), sink)
    kinds = {point.attributes["job_type"] for point in sink.points() if point.attributes.get("job_name") == "typed"}
    assert kinds == {"etl"}


@pytest.mark.parametrize("inner", ["same", "other"])
def test_a_run_in_a_job(sink: Sink, inner: str) -> None:
    """A program with job() that starts `batchtel run`: the same name is part of it, another is a run below it."""
    succeed(RUNNER, sink, "same", *wrapped("true", options=("--job", inner)))
    assert runs(sink) == dict.fromkeys({"same", inner}, (1, 1))
    if inner == "other":
        assert is_child(sink.span("batch_job.other"), sink.span("batch_job.same"))


def script(tmp_path: Path, text: str) -> str:
    """Write a script called same.py."""
    file = tmp_path / "same.py"
    lines = text.strip("\n").splitlines()
    margin = len(lines[0]) - len(lines[0].lstrip())
    file.write_text("\n".join(line[margin:] for line in lines))
    return str(file)


@pytest.mark.parametrize("outer", ["same", "other"])
def test_an_instrumented_script_in_a_run(sink: Sink, tmp_path: Path, outer: str) -> None:
    """It is no run of its own, whatever its name: its logs and spans are those of the run that started it."""
    text = 'import logging; logging.getLogger("inner").warning("logged within")'
    finished = call(wrapped(*instrumented(script(tmp_path, text)), options=("--job", outer)), sink)
    assert finished.returncode == 0, finished.stderr
    assert runs(sink) == {outer: (1, 1)}
    run = sink.span(f"batch_job.{outer}")
    assert (logged(sink).trace_id, logged(sink).span_id) == (run.trace_id, run.span_id)
    assert logged(sink).attributes["batch.run.id"] == run.attributes["batch.run.id"]


@pytest.mark.parametrize("inner", ["same", "other"])
def test_a_job_in_an_instrumented_script(sink: Sink, tmp_path: Path, inner: str) -> None:
    """job() in a script that is a run itself: the script's name joins, another one is a run below it."""
    finished = call(instrumented(script(tmp_path, JOB), inner), sink)
    assert (finished.returncode, finished.stderr) == (0, b"logged within\n")
    assert runs(sink) == dict.fromkeys({"same", inner}, (1, 1))
    around = sink.span(f"batch_job.{inner}")
    assert inner == "same" or is_child(around, sink.span("batch_job.same"))
    assert is_child(sink.span("batch_step.load"), around)


def test_a_run_in_an_instrumented_script(sink: Sink, tmp_path: Path) -> None:
    """`batchtel run` started by such a script is part of it, and so is an instrumented Python below."""
    text = "import subprocess, sys; subprocess.run(sys.argv[1:], check=True)"
    inner = wrapped(*python('import logging; logging.getLogger("inner").warning("logged within")'))
    finished = call(instrumented(script(tmp_path, text), *inner), sink)
    assert finished.returncode == 0, finished.stderr
    assert runs(sink) == {"same": (1, 1)}
    assert logged(sink).trace_id == sink.span("batch_job.same").trace_id


def test_all_ways_in_at_once(sink: Sink, tmp_path: Path) -> None:
    """Run > run > instrumented script > job > run of another job: two runs, one trace."""
    text = f"""
        import subprocess, batchtel
        with batchtel.job("same"):
            subprocess.run({wrapped("true", options=("--job", "other"))!r}, check=True)
        """
    command = wrapped(*wrapped(*instrumented(script(tmp_path, text))), options=("--job", "same"))
    assert call(command, sink).returncode == 0
    assert runs(sink) == {"same": (1, 1), "other": (1, 1)}
    assert len({span.trace_id for span in sink.spans()}) == 1
    assert is_child(sink.span("batch_job.other"), sink.span("batch_job.same"))


def test_runs_one_after_another(sink: Sink) -> None:
    """Two runs in one process, and two commands in one script, are two runs each, with traces of their own."""
    succeed(
        """
        import batchtel
        for _ in range(2):
            with batchtel.job("twice"):
                pass
        """,
        sink,
    )
    call(["sh", "-c", '"$@"; "$@"', "sh", *wrapped("true", options=("--job", "commands"))], sink)
    assert runs(sink) == {"twice": (2, 2), "commands": (2, 2)}
    assert len({span.trace_id for span in sink.spans()}) == 4
    assert len({span.attributes["batch.run.id"] for span in sink.spans()}) == 4


def test_two_commands_of_one_run(sink: Sink) -> None:
    """Two commands one after another within a run are parts of it, not runs."""
    line = '"$@" && "$@"'
    assert call(wrapped("sh", "-c", line, "sh", *wrapped("true"), options=("--job", "outer")), sink).returncode == 0
    assert runs(sink) == {"outer": (1, 1)}


@pytest.mark.parametrize("way", ["run", "job", "script"])
def test_a_scheduler_gives_run_id_attempt_and_trace(sink: Sink, tmp_path: Path, way: str) -> None:
    """BATCHTEL_RUN_ID, BATCHTEL_ATTEMPT and TRACEPARENT of a scheduler are used; they mark no open run."""
    trace, span_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    variables = {
        "BATCHTEL_RUN_ID": "scheduled__2026-03-01",
        "BATCHTEL_ATTEMPT": "2",
        "TRACEPARENT": f"00-{trace}-{span_id}-01",
    }
    commands = {
        "run": wrapped(str(PROGRAMS / "python"), "-c", "", options=("--job", "same")),
        "job": python("import batchtel\nwith batchtel.job('same'): pass"),
        "script": [*instrumented(script(tmp_path, "pass"))],
    }
    finished = call(commands[way], sink, variables)
    assert (finished.returncode, finished.stderr) == (0, b"")
    assert runs(sink) == {"same": (1, 1)}
    span = sink.span("batch_job.same")
    assert (span.trace_id, span.parent_id) == (trace, span_id)
    assert (span.attributes["batch.run.id"], span.attributes["batch.run.attempt"]) == ("scheduled__2026-03-01", 2)
    assert sink.total("batch.job.retries", job_name="same") == 1


def test_a_trace_that_is_not_sampled(sink: Sink) -> None:
    """The parent's decision not to sample holds for the spans of the run; metrics and events are sent all the same."""
    variables = {"TRACEPARENT": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"}
    finished = call(wrapped("printenv", "TRACEPARENT", options=("--job", "quiet")), sink, variables)
    assert finished.stdout.endswith(b"-00\n")
    assert runs(sink) == {"quiet": (1, 1)}
    assert sink.spans() == []
    assert sink.event("batch.run.finished").trace_id == "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    "parent",
    [
        "nonsense",
        "00-short-b7ad6b7169203331-01",
        *(f"00-{digit * 32}-b7ad6b7169203331-01" for digit in "0zA"),
        f"00-{'a' * 32}-b7ad6b7169203331-xx",
        f"ff-{'a' * 32}-b7ad6b7169203331-01",
    ],
)
def test_a_parent_that_is_nonsense(sink: Sink, parent: str) -> None:
    """A run starts a trace of its own, and hands on the one that it records."""
    finished = call(wrapped("printenv", "TRACEPARENT"), sink, {"TRACEPARENT": parent})
    assert (finished.returncode, finished.stderr) == (0, b"")
    span = sink.span("batch_job.printenv")
    assert finished.stdout.decode().strip() == f"00-{span.trace_id}-{span.span_id}-01"


def test_a_joined_job_counts_under_the_type_of_the_run(sink: Sink) -> None:
    """The outer process names the type of the job; one further in that names none does not split its series."""
    succeed(
        """
        import subprocess, sys, batchtel
        inner = "import batchtel\\nwith batchtel.job('same') as job: job.records(processed=3)"
        with batchtel.job("same", type="etl"):
            subprocess.run([sys.executable, "-c", inner], check=True)
        """,
        sink,
    )
    counted = {
        (point.attributes["job_name"], point.attributes["job_type"], point.value)
        for point in sink.points()
        if point.metric == "batch.job.records.processed" and point.value
    }
    assert counted == {("same", "etl", 3)}
