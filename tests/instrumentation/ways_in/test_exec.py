"""A program that becomes another one by exec: one run, which ends with what the process ends with."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

from tests.instrumentation.ways_in.command import PROGRAMS, call, ended, instrumented, wrapped
from tests.support.process import run, succeed
from tests.support.sink import Sink

REAL = "import sys, logging; logging.getLogger('real').warning('works'); sys.exit(int(sys.argv[1]))"

ENTRIES = {
    "execv": "import os, sys; os.execv(sys.executable, [sys.executable, *sys.argv[1:]])",
    "execvp": "import os, sys; os.execvp('python', ['python', *sys.argv[1:]])",
    "execl": "import os, sys; os.execl(sys.executable, 'python', *sys.argv[1:])",
    "execve": "import os, sys; os.execve(sys.executable, ['python', *sys.argv[1:]], {**os.environ, 'ADDED': '1'})",
    "execle": "import os, sys; os.execle(sys.executable, 'python', *sys.argv[1:], dict(os.environ))",
    "shell": "import os, sys; os.execvp('sh', ['sh', '-c', 'exec python \"$@\"', 'sh', *sys.argv[1:]])",
    "thread": """
        import os, sys, threading
        thread = threading.Thread(target=os.execv, args=(sys.executable, [sys.executable, *sys.argv[1:]]))
        thread.start()
        thread.join()
        """,
    "not at once": """
        import os, sys
        try:
            os.execv("/no/such/program", ["program"])
        except FileNotFoundError:
            os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
        """,
    "twice": """
        import os, sys
        again = "import os, sys; os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
        os.execv(sys.executable, [sys.executable, "-c", again, *sys.argv[1:]])
        """,
    "batchtel run": "import os, sys; os.execvp('batchtel', ['batchtel', 'run', '--', 'python', *sys.argv[1:]])",
}


def script(folder: Path, name: str, text: str) -> str:
    """Write a script and return its path."""
    file = folder / name
    file.write_text(textwrap.dedent(text))
    return str(file)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.compatible(
    "Processes",
    "exec: an entry script, `dotenv run`, `sh -c exec`",
    "one run, from the first program to the exit code of the last",
)
def test_an_entry_script_becomes_the_job(sink: Sink, tmp_path: Path, entry: str) -> None:
    """However it does, it is one run, from the start of the first program to the exit code of the last."""
    first, real = script(tmp_path, "entry.py", ENTRIES[entry]), script(tmp_path, "real.py", REAL)
    variables = {"PATH": f"{PROGRAMS}:/usr/bin:/bin"}
    plain = call([sys.executable, first, real, "3"], None, {**variables, "OTEL_SDK_DISABLED": "true"})
    finished = call(instrumented(first, real, "3"), sink, variables)
    assert (finished.returncode, finished.stdout, finished.stderr) == (3, plain.stdout, plain.stderr)
    assert ended(sink) == [("entry", "failure", 3)]
    span = sink.span("batch_job.entry")
    if entry != "batchtel run":
        [record] = [log for log in sink.logs() if log.scope == "real"]
        assert (record.trace_id, record.attributes["batch.run.id"]) == (span.trace_id, span.attributes["batch.run.id"])
    assert sink.event("batch.run.finished").attributes["batch.run.id"] == span.attributes["batch.run.id"]


@pytest.mark.parametrize("code", [0, 3])
@pytest.mark.compatible(
    "Processes",
    "`opentelemetry-instrument` twice",
    "one run",
)
def test_an_image_and_its_operator_both_instrument(sink: Sink, tmp_path: Path, code: int) -> None:
    """`opentelemetry-instrument` twice, and in front of `batchtel run`: the run is that of the job."""
    real = script(tmp_path, "real.py", REAL)
    twice = [str(PROGRAMS / "opentelemetry-instrument"), *instrumented(real, str(code))]
    assert call(twice, sink).returncode == code
    around = [str(PROGRAMS / "opentelemetry-instrument"), *wrapped("sh", "-c", f"exit {code}")]
    assert call(around, sink).returncode == code
    status = "failure" if code else "success"
    assert ended(sink) == [("real", status, code), ("sh", status, code)]


def test_what_was_counted_before(sink: Sink, tmp_path: Path) -> None:
    """Records that were reported before the exec are counted once, and judged together with those after it."""
    entry = """
        import os, sys, batchtel
        batchtel.current_job().records(processed=5)
        os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
        """
    real = "import batchtel; batchtel.current_job().records(processed=7)"
    catalogue = tmp_path / "jobs.toml"
    catalogue.write_text("[jobs.entry.sla]\nmin_records = 12\n")
    files = script(tmp_path, "entry.py", entry), script(tmp_path, "real.py", real)
    assert call(instrumented(*files), sink, {"BATCHTEL_CATALOGUE": str(catalogue)}).returncode == 0
    assert sink.total("batch.job.records.processed", job_name="entry") == 12
    finished = sink.event("batch.run.finished").attributes
    assert (finished["batch.records.outcome"], finished["batch.sla.met"]) == ("sufficient", True)
    assert sink.event("batch.run.reported").attributes["batch.records.processed"] == 5


def test_children_of_a_run_that_became_another_program(sink: Sink, tmp_path: Path) -> None:
    """What it starts then belongs to it, as before; the process that set the mark is not its own child."""
    entry = "import os, sys; os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    real = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'raise ValueError']); sys.exit(4)"
    files = script(tmp_path, "entry.py", entry), script(tmp_path, "real.py", real)
    assert call(instrumented(*files), sink, {"TRACEPARENT": f"00-{'a' * 32}-{'b' * 16}-01"}).returncode == 4
    assert ended(sink) == [("entry", "failure", 4)]
    span = sink.span("batch_job.entry")
    assert (span.trace_id, span.parent_id) == ("a" * 32, "b" * 16)


def test_a_job_in_code_goes_on(sink: Sink) -> None:
    """`job()` of the same name in the other program goes on with the run; one of another name is its own run."""
    real = """
        import sys, batchtel
        for name in ("inner", "outer", "outer"):
            with batchtel.job(name):
                pass
        """
    succeed(
        """
        import os, sys, batchtel
        with batchtel.job("outer"):
            os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
        """,
        sink,
        textwrap.dedent(real),
    )
    assert sorted(job for job, _, _ in ended(sink)) == ["inner", "outer", "outer"]
    assert len({span.attributes["batch.run.id"] for span in sink.spans()}) == 3


def test_a_child_that_execs_is_a_child(sink: Sink, tmp_path: Path) -> None:
    """This is how programs are started: the run ends with the process that has opened it, and once."""
    text = """
        import os, sys
        child = os.fork()
        if not child:
            os.execv(sys.executable, [sys.executable, "-c", "raise SystemExit(5)"])
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) + 1)
        """
    assert call(instrumented(script(tmp_path, "entry.py", text)), sink).returncode == 6
    assert ended(sink) == [("entry", "failure", 6)]


def test_exec_with_a_dead_collector(refused: str, tmp_path: Path) -> None:
    """The program starts all the same, after as long as an end may last."""
    text = "import os, sys; os.execv(sys.executable, [sys.executable, '-c', 'print(1); raise SystemExit(3)'])"
    finished = run(text, None, OTEL_EXPORTER_OTLP_ENDPOINT=refused)
    through = call(instrumented(script(tmp_path, "e.py", text)), None, {"OTEL_EXPORTER_OTLP_ENDPOINT": refused})
    assert (finished.code, finished.stdout) == (through.returncode, through.stdout.decode()) == (3, "1\n")
