"""Signals that end a process, beside SIGTERM: the process dies by them, as ever, and its run ends before that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.instrumentation.workers.programs import run_on
from tests.support.interpreters import VERSIONS
from tests.support.polling import until
from tests.support.process import TIMEOUT, environment, start, succeed
from tests.support.sink import Sink

NAMES = ["SIGHUP", "SIGQUIT", "SIGALRM", "SIGXCPU"]


@pytest.mark.parametrize("name", ["SIGTERM", *NAMES])
@pytest.mark.parametrize("busy", ["time.sleep(60)", "while True: pass"])
@pytest.mark.compatible(
    "Ends",
    "SIGHUP, SIGQUIT, SIGALRM, SIGXCPU with their default actions",
    "as below `batchtel run`",
)
def test_every_signal_that_ends_a_process(sink: Sink, name: str, busy: str) -> None:
    """The run ends as that of a command which the signal has killed."""
    script = f"""
        import time, batchtel
        with batchtel.job("ended"):
            with batchtel.step("part"):
                print("open", flush=True)
                {busy}
        """
    number = signal.Signals[name]
    with start(script, sink, BATCHTEL_EXIT_TIMEOUT="20") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        process.send_signal(number)
        assert (*process.communicate(timeout=TIMEOUT), process.returncode) == ("", "", -number)
    cancelled = name in ("SIGTERM", "SIGHUP", "SIGQUIT")
    labels = {"status": "cancelled"} if cancelled else {"status": "failure", "error_type": name}
    assert sink.total("batch.job.completions", job_name="ended", **labels) == 1
    assert sink.event("batch.step.finished").attributes["batch.status"] == labels["status"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["SIGHUP", "SIGALRM"])
def test_on_each_version(sink: Sink, version: str, name: str) -> None:
    """The same by a signal that the process sends to itself."""
    script = """
        import os, signal, sys, time, batchtel
        with batchtel.job("ended"):
            os.kill(os.getpid(), signal.Signals[sys.argv[1]])
            time.sleep(60)
        """
    finished = run_on(version, script, sink, name)
    assert (finished.code, finished.stdout, finished.stderr) == (-signal.Signals[name], "", "")
    status = "cancelled" if name == "SIGHUP" else "failure"
    assert sink.total("batch.job.completions", job_name="ended", status=status) == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_signal_that_the_job_handles_or_ignores(sink: Sink, name: str) -> None:
    """Its own handler is called, also one that it sets later, and what is ignored stays so; the run goes on."""
    succeed(
        """
        import os, signal, sys, batchtel
        number, seen = signal.Signals[sys.argv[1]], []

        def note(number, frame):
            seen.append(number)

        signal.signal(number, note)
        with batchtel.job("before"):
            os.kill(os.getpid(), number)
        assert signal.getsignal(number) is note
        signal.signal(number, signal.SIG_DFL)
        for _ in range(2):
            with batchtel.job("within"):
                assert signal.signal(number, note) is signal.SIG_DFL
                os.kill(os.getpid(), number)
            assert signal.getsignal(number) is note
            os.kill(os.getpid(), number)
            signal.signal(number, signal.SIG_DFL)
        signal.signal(number, signal.SIG_IGN)
        with batchtel.job("ignored"):
            os.kill(os.getpid(), number)
        assert (seen, signal.getsignal(number)) == ([number] * 5, signal.SIG_IGN)
        """,
        sink,
        name,
    )
    assert sink.total("batch.job.completions", status="success") == 4


@pytest.mark.parametrize("after", ["", "signal.signal(number, signal.SIG_DFL)"])
def test_watched_again_in_the_next_run(sink: Sink, after: str) -> None:
    """A run that begins after the job has put back the default action is ended by the signal."""
    script = f"""
        import os, signal, time, batchtel
        number = signal.SIGHUP
        with batchtel.job("first"):
            if {after!r}:
                signal.signal(number, lambda *unused: None)
        {after}
        with batchtel.job("second"):
            os.kill(os.getpid(), number)
            time.sleep(60)
        """
    with start(script, sink, BATCHTEL_EXIT_TIMEOUT="20") as process:
        assert (*process.communicate(timeout=TIMEOUT), process.returncode) == ("", "", -signal.SIGHUP)
    assert sink.total("batch.job.completions", job_name="first", status="success") == 1
    assert sink.total("batch.job.completions", job_name="second", status="cancelled") == 1


def test_nohup(sink: Sink) -> None:
    """A hangup that was ignored when the program began stays ignored, in what it starts, too."""
    script = (
        "import os, signal, subprocess, sys, batchtel\n"
        "with batchtel.job('kept'):\n"
        "    os.kill(os.getpid(), signal.SIGHUP)\n"
        "    subprocess.run(['sh', '-c', 'kill -HUP $$; echo kept'], check=True)\n"
    )
    done = subprocess.run(
        ["nohup", sys.executable, "-c", script],
        env=environment(sink, {}),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "kept\n")
    assert sink.total("batch.job.completions", job_name="kept", status="success") == 1


def test_what_a_run_starts_finds_the_default_action(sink: Sink) -> None:
    """Programs and forked children die by the signal, whatever is watched in the process that has started them."""
    succeed(
        """
        import os, signal, subprocess, batchtel
        with batchtel.job("parent"):
            for name in ("SIGHUP", "SIGQUIT", "SIGALRM", "SIGXCPU"):
                number = signal.Signals[name]
                assert subprocess.run(["sh", "-c", f"ulimit -c 0; kill -{int(number)} $$"]).returncode == -number
                if (child := os.fork()) == 0:
                    os.kill(os.getpid(), number)
                    os._exit(0)
                assert os.WTERMSIG(os.waitpid(child, 0)[1]) == number
        """,
        sink,
    )
    assert sink.total("batch.job.completions", job_name="parent", status="success") == 1


@pytest.mark.parametrize("name", NAMES)
def test_code_that_lets_no_other_thread_run(sink: Sink, name: str) -> None:
    """Where the main thread stays in C code without letting go, the second signal ends the process at once."""
    script = """
        import time, batchtel
        with batchtel.job("stuck"):
            print("open", flush=True)
            sum(range(10**12))
        """
    number = signal.Signals[name]
    with start(script, sink) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        _until_it_computes(process.pid)
        process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.0)
        process.send_signal(number)
        assert process.wait(20) == -number


def _until_it_computes(pid: int) -> None:
    """Wait until the process has used a second more of CPU."""
    end = _cpu_ticks(pid) + os.sysconf("SC_CLK_TCK")
    until("a second of CPU", lambda: _cpu_ticks(pid) >= end or None, TIMEOUT)


def _cpu_ticks(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])
