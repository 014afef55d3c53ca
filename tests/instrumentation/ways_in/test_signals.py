"""Signals pass through `batchtel run` once, from wherever they come."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.instrumentation.ways_in.command import Talking, call, python, wrapped
from tests.support.process import TIMEOUT, environment
from tests.support.sink import Sink

CATCHABLE = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})

RECEIVER = """
    import signal
    catchable = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    signal.pthread_sigmask(signal.SIG_BLOCK, catchable)
    print("ready", flush=True)
    while True:
        number = signal.sigwaitinfo(catchable).si_signo
        print(number, flush=True)
        if number == signal.SIGTERM:
            break
    print("waiting", sorted(signal.sigpending()), flush=True)
    """
"""Prints the number of every signal it gets, until SIGTERM."""


def test_every_catchable_signal_reaches_the_command_once(sink: Sink) -> None:
    """Each of them, sent to the wrapper's process id alone, arrives at the command, and none arrives twice."""
    in_order = [number for number in CATCHABLE if number != signal.SIGTERM] + [signal.SIGTERM]
    with Talking(wrapped(*python(RECEIVER)), sink) as talking:
        assert talking.line("the start") == "ready"
        for number in in_order:
            talking.process.send_signal(number)
            talking.line(f"signal {number}")
        assert talking.end() == 0
    assert talking.seen == ["ready", *(str(int(number)) for number in in_order), "waiting []"]


def test_signals_before_telemetry_is_loaded(sink: Sink) -> None:
    """A signal in the first moments, while telemetry is being imported, is not lost."""
    with Talking(
        wrapped("sh", "-c", "trap 'echo got; exit 3' USR1; echo ready; while :; do sleep 0.01; done"), sink
    ) as run:
        assert run.line("the start") == "ready"
        run.process.send_signal(signal.SIGUSR1)
        assert run.end() == 3
    assert run.seen == ["ready", "got"]


def test_a_command_that_signals_its_own_group(sink: Sink) -> None:
    """`kill 0`, the usual end of a shell script, reaches the command once, as without the wrapper."""
    script = "trap 'echo got' TERM; kill -TERM 0; sleep 0; kill -TERM 0; exit 5"
    direct = call(["sh", "-c", script], None, start_new_session=True)
    through = call(wrapped("sh", "-c", script), sink, start_new_session=True)
    assert (direct.returncode, direct.stdout) == (5, b"got\ngot\n")
    assert (through.returncode, through.stdout) == (direct.returncode, direct.stdout)


def test_an_alarm_that_was_set_before(sink: Sink) -> None:
    """`alarm N; exec CMD`, the old way to a time limit, ends the command and not only the wrapper's wait."""
    line = "import signal, os, sys; signal.setitimer(signal.ITIMER_REAL, 2); os.execvp(sys.argv[1], sys.argv[1:])"
    with Talking([sys.executable, "-c", line, *wrapped("sh", "-c", "echo $$; exec sleep 100")], sink) as talking:
        command = int(talking.line("the process id"))
        assert talking.end() == -signal.SIGALRM
    with pytest.raises(ProcessLookupError):
        os.kill(command, 0)
    assert sink.total("batch.job.completions", status="failure", error_type="SIGALRM") == 1


@pytest.mark.parametrize(
    ("sent", "code", "status"),
    [
        (signal.SIGTERM, 143, "cancelled"),
        (signal.SIGINT, 130, "cancelled"),
        (signal.SIGTERM, 3, "failure"),
        (signal.SIGTERM, 130, "failure"),
        (signal.SIGUSR1, 138, "failure"),
        (None, 143, "failure"),
    ],
)
def test_a_command_that_exits_as_a_shell_shows_a_signal(
    sink: Sink, sent: signal.Signals | None, code: int, status: str
) -> None:
    """A JVM exits with 143 after SIGTERM: it was asked to end, if the signal has come; a code alone is none."""
    caught = f"trap 'exit {code}' {sent.name.removeprefix('SIG')};" if sent is not None else ""
    ends = "while :; do sleep 0.01; done" if sent is not None else f"exit {code}"
    with Talking(wrapped("sh", "-c", f"{caught} echo ready; {ends}"), sink) as talking:
        assert talking.line("the start") == "ready"
        if sent is not None:
            talking.process.send_signal(sent)
        assert talking.end() == code
    (finished,) = sink.events("batch.run.finished")
    assert (finished.attributes["batch.status"], finished.attributes["process.exit.code"]) == (status, code)


def test_a_stopped_command_is_continued_through_the_wrapper(sink: Sink) -> None:
    """SIGTSTP to the wrapper's id stops the command and then the wrapper; SIGCONT to it continues both."""
    script = "import os, signal, sys; print(os.getpid(), flush=True); sys.stdin.readline(); print('on', flush=True)"
    # In a group that is not orphaned: the kernel stops no other by SIGTSTP.
    with Talking(wrapped(*python(script)), sink, stdin=subprocess.PIPE, process_group=0) as talking:
        command = int(talking.line("the process id"))
        talking.process.send_signal(signal.SIGTSTP)
        _, status = os.waitpid(talking.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert os.WSTOPSIG(status) == signal.SIGTSTP
        assert _state(command) == "T"
        talking.process.send_signal(signal.SIGCONT)
        assert talking.process.stdin is not None
        talking.process.stdin.write("go\n")
        talking.process.stdin.close()
        assert talking.line("the answer of the continued command") == "on"
        assert talking.end() == 0


def test_a_command_is_continued_once(sink: Sink) -> None:
    """A continuation that the command has got itself, as from a shell's fg, is not handed on a second time."""
    script = """
        import os, signal
        def note(number, frame):
            print(signal.Signals(number).name, flush=True)
        for number in (signal.SIGCONT, signal.SIGPWR):
            signal.signal(number, note)
        print(os.getpid(), flush=True)
        while True:
            signal.pause()
        """
    with Talking(wrapped(*python(script)), sink, process_group=0) as talking:
        command = int(talking.line("the process id"))
        talking.process.send_signal(signal.SIGTSTP)
        assert os.WIFSTOPPED(os.waitpid(talking.process.pid, os.WUNTRACED)[1])
        os.kill(command, signal.SIGCONT)
        assert talking.line("the continuation of the command") == "SIGCONT"
        talking.process.send_signal(signal.SIGCONT)
        # Of two that wait, the wrapper is given the one with the lower number first.
        talking.process.send_signal(signal.SIGPWR)
        assert talking.line("the signal after it") == "SIGPWR"
        talking.process.send_signal(signal.SIGTERM)
        assert talking.end() == -signal.SIGTERM


def test_a_command_that_is_stopped_by_its_id_leaves_the_wrapper_alone(sink: Sink) -> None:
    """What limits a process by stopping and continuing it (cpulimit) does not leave the wrapper stopped."""
    with Talking(wrapped("sh", "-c", "echo $$; exec sleep 0.5"), sink) as talking:
        command = int(talking.line("the process id"))
        os.kill(command, signal.SIGSTOP)
        sink.wait_event("batch.run.started")
        assert _state(command) == "T"
        os.kill(command, signal.SIGCONT)
        assert talking.end() == 0


def test_a_wrapper_that_is_killed_leaves_the_command_alone(sink: Sink, tmp_path: Path) -> None:
    """SIGKILL of the wrapper: the command goes on to its end; the run stays started without an end."""
    fifo, done = tmp_path / "fifo", tmp_path / "done"
    os.mkfifo(fifo)
    read, write = os.pipe()
    with Talking(
        wrapped("sh", "-c", f"echo ready; read line < {fifo}; echo $line > {done}"), sink, pass_fds=[write]
    ) as run:
        os.close(write)
        assert run.line("the start") == "ready"
        sink.wait_event("batch.run.started")
        run.process.kill()
        assert run.process.wait(TIMEOUT) == -signal.SIGKILL
        fifo.write_text("went on\n")
        # The end of the command, whose descriptor it is, closes the pipe.
        assert os.read(read, 1) == b""
        os.close(read)
    assert done.read_text() == "went on\n"
    assert sink.events("batch.run.finished") == []


@pytest.mark.compatible(
    "Places",
    "nohup, and a job in the background",
    "the run of the command",
)
def test_nohup_and_background(sink: Sink) -> None:
    """Under nohup a hang-up ends neither wrapper nor command; in the background of a script SIGINT does not either."""
    for launcher, number in ((["nohup"], signal.SIGHUP), (["sh", "-c", 'trap "" INT; exec "$@"', "sh"], signal.SIGINT)):
        with Talking(
            [*launcher, *wrapped("sh", "-c", "echo ready; read line; exit 6")],
            sink,
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as talking:
            assert talking.line("the start") == "ready"
            talking.process.send_signal(number)
            talking.process.send_signal(number)
            assert talking.process.stdin is not None
            talking.process.stdin.write("go\n")
            talking.process.stdin.close()
            assert talking.end() == 6


def test_timeout_in_front(sink: Sink) -> None:
    """`timeout` ends the command, and shows it by its own exit code."""
    finished = call(["timeout", "2", *wrapped("sleep", "100")], sink, start_new_session=True)
    assert finished.returncode == 124
    assert sink.total("batch.job.completions", job_name="sleep", status="cancelled") == 1


def test_a_parent_that_ignores_the_ends_of_children(sink: Sink) -> None:
    """Where SIGCHLD is ignored the kernel throws exit codes away; the wrapper still has that of the command."""
    line = "import signal, os, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execvp(sys.argv[1], sys.argv[1:])"
    finished = call([sys.executable, "-c", line, *wrapped("sh", "-c", "exit 7")], sink)
    assert (finished.returncode, finished.stderr) == (7, b"")
    missing = call([sys.executable, "-c", line, *wrapped("/no/such/command")], sink)
    assert (missing.returncode, missing.stderr) == (127, b"batchtel run: /no/such/command: No such file or directory\n")


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_the_command_runs_before_telemetry_is_imported(sink: Sink) -> None:
    """When the command is started no module of OpenTelemetry is loaded yet, nor any that the public names live in."""
    spy = """
        import os, sys
        spawn = os.posix_spawnp
        def watched(*arguments, **options):
            libraries = {"opentelemetry", "google", "grpc", "requests"}
            public = {"batchtel.runs.retry", "batchtel.runs.api", "batchtel.telemetry.process", "batchtel.runs.job_run"}
            early = sorted(name for name in sys.modules if name.partition(".")[0] in libraries or name in public)
            print("loaded at the start:", early, flush=True)
            return spawn(*arguments, **options)
        os.posix_spawnp = watched
        sys.argv = ["batchtel", "run", "--", "echo", "hello"]
        from batchtel.cli.main import main
        main()
        """
    finished = subprocess.run(
        python(spy), env=environment(sink, {}), capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert (finished.stdout, finished.returncode) == ("loaded at the start: []\nhello\n", 0), finished.stderr
    assert sink.total("batch.job.completions", job_name="echo", status="success") == 1
