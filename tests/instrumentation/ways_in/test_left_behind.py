"""What a run leaves behind is no part of it once it has ended: its programs are runs of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from batchtel.base import opener
from batchtel.base.opener import Opener
from tests.instrumentation.ways_in.command import PROGRAMS, call, instrumented, python, wrapped
from tests.support.process import environment, succeed
from tests.support.sink import Sink


def counted(sink: Sink) -> list[str]:
    """Return the jobs of all runs that have ended, in the order of their ends: processes deliver in any order."""
    ended = sorted(sink.events("batch.run.finished"), key=lambda log: log.time)
    return [str(log.attributes["batch.job.name"]) for log in ended]


class Deploy:
    """A run of `deploy` that starts a scheduler and ends; `go` lets that start its programs, and waits for its end."""

    def __init__(self, folder: Path, sink: Sink, opens: list[str], programs: list[list[str]]) -> None:
        self._fifo = folder / "fifo"
        os.mkfifo(self._fifo)
        self._alive, theirs = os.pipe()
        text = f"""
            import os, subprocess
            open({str(self._fifo)!r}).read()
            for variables, *command in {programs!r}:
                added = dict(part.split("=") for part in variables.split())
                subprocess.run(command, env=os.environ | added)
            """
        scheduler = folder / "scheduler.py"
        scheduler.write_text(textwrap.dedent(text))
        line = 'setsid "$@" >/dev/null 2>&1 &'
        finished = call([*opens, "sh", "-c", line, "sh", sys.executable, str(scheduler)], sink, pass_fds=[theirs])
        os.close(theirs)
        assert finished.returncode == 0, finished.stderr

    def go(self) -> None:
        """Let the scheduler work, and wait until it has ended."""
        self._fifo.write_text("go")
        assert os.read(self._alive, 1) == b""
        os.close(self._alive)


@pytest.mark.compatible(
    "Processes",
    "a scheduler that a run leaves behind",
    "each program below it is a run of its own",
)
def test_a_scheduler_that_a_run_has_restarted(sink: Sink, tmp_path: Path) -> None:
    """Its programs are runs of their own, under their own names, in traces of their own, and failures are failures."""
    script = tmp_path / "nightly.py"
    script.write_text("raise ValueError")
    deploy = Deploy(
        tmp_path,
        sink,
        wrapped(options=("--job", "deploy", "--attempt", "2")),
        [
            ["", *instrumented(str(script))],
            ["BATCHTEL_JOB=named", *instrumented(str(script))],
            ["", *wrapped("false")],
            ["", *wrapped("false", options=("--job", "deploy"))],
            ["", *python("import batchtel\nwith batchtel.job('deploy'): raise ValueError")],
            ["BATCHTEL_RUN_ID=own BATCHTEL_ATTEMPT=3", *wrapped("false")],
        ],
    )
    assert counted(sink) == ["deploy"]
    deploy.go()
    assert counted(sink) == ["deploy", "nightly", "named", "false", "deploy", "deploy", "false"]
    runs = [span for span in sink.spans() if span.name.startswith("batch_job.")]
    assert len({span.trace_id for span in runs}) == len({span.attributes["batch.run.id"] for span in runs}) == 7
    assert [span.attributes["batch.status"] for span in runs] == ["success"] + ["failure"] * 6
    assert [span.attributes["batch.run.attempt"] for span in runs] == [2, 1, 1, 1, 1, 1, 3]
    assert runs[-1].attributes["batch.run.id"] == "own"
    assert {span.parent_id for span in runs} == {""}


def test_a_run_in_code_whose_process_goes_on(sink: Sink) -> None:
    """It is the run that has to be open, not its process: a program that it left behind is a run of its own."""
    succeed(
        """
        import subprocess, sys, batchtel
        with batchtel.job("outer"):
            left = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)
        left.communicate(b"go")
        assert left.returncode == 3
        """,
        sink,
        *("sh", "-c", 'read line; "$@"; exit 3', "sh"),
        *wrapped("true"),
    )
    assert counted(sink) == ["outer", "true"]


def test_a_job_in_code_of_a_program_that_was_left_behind(sink: Sink, tmp_path: Path) -> None:
    """Started while the run was open, it may join it; when that has ended, `job()` opens runs of its own."""
    text = """
        import sys, batchtel
        with batchtel.job("outer"):
            pass
        print("joined", flush=True)
        sys.stdin.readline()
        with batchtel.job("outer"):
            raise ValueError
        """
    (tmp_path / "left.py").write_text(textwrap.dedent(text))
    for program in (["python"], ["opentelemetry-instrument", "python"]):
        sink.requests.clear()
        succeed(
            """
            import subprocess, sys, batchtel
            with batchtel.job("outer"):
                left = subprocess.Popen(sys.argv[1:], **dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE))
                assert left.stdout.readline() == b"joined\\n"
            left.communicate(b"go")
            assert left.returncode == 1
            """,
            sink,
            *(str(PROGRAMS / name) for name in program),
            str(tmp_path / "left.py"),
        )
        ends = sorted(log.attributes["batch.status"] for log in sink.events("batch.run.finished"))
        assert (counted(sink), ends) == (["outer", "outer"], ["failure", "success"])


@pytest.mark.parametrize("way", ["run", "job", "script"])
def test_batchtel_job_opens_a_run_of_its_own(sink: Sink, tmp_path: Path, way: str) -> None:
    """Also while the run around it is open: the two are parent and child."""
    script = tmp_path / "script.py"
    script.write_text("raise ValueError")
    inner = {
        "run": wrapped("false"),
        "job": python("import batchtel\nwith batchtel.job('named'): raise ValueError"),
        "script": instrumented(str(script)),
    }[way]
    line = 'BATCHTEL_JOB=named "$@"; exit 0'
    assert call(wrapped("sh", "-c", line, "sh", *inner, options=("--job", "outer")), sink).returncode == 0
    assert counted(sink) == ["named", "outer"]
    named, outer = sink.span("batch_job.named"), sink.span("batch_job.outer")
    assert (named.parent_id, named.attributes["batch.status"]) == (outer.span_id, "failure")
    assert named.attributes["batch.run.id"] != outer.attributes["batch.run.id"]


def test_a_mark_that_cannot_be_checked_is_bounded_by_time(sink: Sink) -> None:
    """In another container a run counts as open for a day."""
    parent = f"00-{'a' * 32}-{'b' * 16}-01"
    for hours, members in ((1, True), (23, True), (25, False), (-25, False)):
        sink.requests.clear()
        by = Opener.here("outer", 1, parent)._replace(place="elsewhere", opened=time.time_ns() - hours * 3600 * 10**9)
        variables = {
            "BATCHTEL_JOB": "outer",
            "BATCHTEL_RUN_ID": "of-outer",
            "BATCHTEL_ATTEMPT": "1",
            "BATCHTEL_OPEN_RUN": "of-outer",
            "BATCHTEL_OPEN_BY": str(by),
            "TRACEPARENT": parent,
        }
        assert call(wrapped("true"), sink, variables).returncode == 0
        assert counted(sink) == ([] if members else ["true"]), hours
        if not members:
            assert sink.span("batch_job.true").trace_id != "a" * 32


def test_whether_a_run_is_open(tmp_path: Path) -> None:
    """A process that ended, or whose number is another one's now, has no open run."""
    here = Opener.here("a job, with spaces", 3, f"00-{'a' * 32}-{'b' * 16}-01", cpu_seconds=0.5)
    assert Opener.read(str(here)) == here
    assert here.is_this_process
    assert here.is_open("")
    assert not here._replace(ticks=here.ticks + 1).is_open("")
    assert not here.is_open(f"/proc/{os.getpid()}/fd/999 batchtel-none")
    assert not here._replace(cpu_seconds=-1.0).is_this_process
    with subprocess.Popen(["true"], env=environment(None, {})) as ended:
        ended.wait()
    assert not here._replace(pid=ended.pid).is_open("")
    assert Opener.read(str(here._replace(place=""))) == here._replace(place="")
    for text in ("", "1", "a b c d e f g h i", str(here).replace("00-", "zz-")):
        assert Opener.read(text) is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (f"00-{'a' * 32}-{'b' * 16}-01", ("a" * 32, "b" * 16, "01")),
        (f"cc-{'a' * 32}-{'b' * 16}-00-more", ("a" * 32, "b" * 16, "00")),
        (f"ff-{'a' * 32}-{'b' * 16}-01", None),
        (f"00-{'A' * 32}-{'b' * 16}-01", None),
        (f"00-{'z' * 32}-{'b' * 16}-01", None),
        (f"00-{'0' * 32}-{'b' * 16}-01", None),
        (f"00-{'a' * 32}-{'0' * 16}-01", None),
        (f"00-{'a' * 32}-{'b' * 16}", None),
        (f"00-{'a' * 32}-{'b' * 16}-zz", None),
        ("", None),
    ],
)
def test_traceparents(text: str, parts: tuple[str, str, str] | None) -> None:
    """What the W3C's recommendation calls malformed is none."""
    assert opener.trace_parts(text) == parts
