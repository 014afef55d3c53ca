"""The command runs whatever is short or missing, and its run is recorded as well as it can be."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.instrumentation.ways_in.command import Talking, call, python, wrapped
from tests.support.polling import until
from tests.support.process import environment
from tests.support.sink import Sink

COMMAND = ("sh", "-c", "echo out; echo err >&2; exit 3")


def limited(limit: int, value: int) -> Callable[[], None]:
    """Return a function that limits the process that calls it."""
    return lambda: resource.setrlimit(limit, (value, value))


@pytest.mark.parametrize("descriptors", [5, 6, 8, 10])
@pytest.mark.parametrize("options", [(), ("--capture-output",)])
@pytest.mark.compatible(
    "Places",
    "few file descriptors",
    "the run, as well as it can be",
    notices="one line, where output cannot be captured",
)
def test_descriptors_are_short(sink: Sink, descriptors: int, options: tuple[str, ...]) -> None:
    """Output that cannot be captured goes where it would go without; one line reports it."""
    # The shell itself needs descriptors beyond 10 for a redirection.
    command = wrapped("sh", "-c", "echo out; exit 3", options=("--job", "short", *options))
    finished = call(command, sink, preexec_fn=limited(resource.RLIMIT_NOFILE, descriptors))
    assert (finished.returncode, finished.stdout) == (3, b"out\n")
    assert b"Traceback" not in finished.stderr
    if descriptors == 10:
        assert (finished.stderr == b"") is (not options)
    if descriptors > 5:
        assert sink.total("batch.job.completions", job_name="short", status="failure") == 1


@pytest.mark.parametrize("mebibytes", [60, 100, 150])
@pytest.mark.compatible(
    "Places",
    "little memory",
    "the run, as well as it can be",
)
def test_memory_is_short(sink: Sink, mebibytes: int) -> None:
    """Where there is none for the libraries of telemetry, the command does not notice."""
    finished = call(wrapped(*COMMAND), sink, preexec_fn=limited(resource.RLIMIT_AS, mebibytes << 20))
    assert (finished.returncode, finished.stdout) == (3, b"out\n")
    assert finished.stderr.startswith(b"err\n")


PATCHED = """
    import errno, os, sys, threading
    def fails(*args, **options):
        raise {error}
    {name} = fails
    from batchtel.cli.main import main
    main(["run", *sys.argv[1:]])
    """


def patched(name: str, error: str, *arguments: str) -> list[str]:
    """Return the arguments of a `batchtel run` in which one function fails."""
    return python(PATCHED.format(name=name, error=error), *arguments)


def test_no_process_can_be_started(sink: Sink) -> None:
    """The command replaces the wrapper, which warns that it records nothing."""
    error = "BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))"
    finished = call(patched("os.posix_spawnp", error, "--", *COMMAND), sink)
    assert (finished.returncode, finished.stdout) == (3, b"out\n")
    assert finished.stderr.endswith(b"something is short (Resource temporarily unavailable)\nerr\n")


@pytest.mark.parametrize("options", [(), ("--capture-output",)])
@pytest.mark.compatible(
    "Places",
    "no threads (RLIMIT_NPROC)",
    "the run, as well as it can be",
    notices="one line",
)
def test_no_thread_can_be_started(sink: Sink, options: tuple[str, ...]) -> None:
    """The command runs to its end, with its output."""
    error = 'RuntimeError("can\'t start new thread")'
    finished = call(patched("threading.Thread.start", error, *options, "--", *COMMAND), sink)
    assert (finished.returncode, finished.stdout) == (3, b"out\n")
    assert b"err\n" in finished.stderr
    assert b"Traceback" not in finished.stderr


def test_no_memory_for_a_tally(sink: Sink) -> None:
    """A kernel without memfd_create(), as some sandboxes are: the run is recorded all the same, in silence."""
    error = "OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))"
    finished = call(patched("os.memfd_create", error, "--job", "run", "--", *COMMAND), sink)
    assert (finished.returncode, finished.stdout, finished.stderr) == (3, b"out\n", b"err\n")
    assert sink.total("batch.job.completions", job_name="run", status="failure") == 1


NOT_INSTALLED = {
    # Spans and log records are encoded and sent without an exporter of the SDK.
    "opentelemetry.exporter": ["err"],
    "opentelemetry.sdk": ["err", "not everything of this process can be recorded: opentelemetry.sdk is not installed"],
}


@pytest.mark.parametrize("missing", NOT_INSTALLED)
def test_a_package_that_is_not_installed(sink: Sink, missing: str) -> None:
    """The command runs; the one that is missing is named in each line of ours, and no stack trace of ours is shown."""
    text = """
        import sys
        class Nothing:
            def find_spec(self, name, path=None, target=None):
                if name.startswith({missing!r}):
                    raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
        sys.meta_path.insert(0, Nothing())
        from batchtel.cli.main import main
        main(["run", *sys.argv[1:]])
        """
    finished = call(python(text.format(missing=missing), "--", *COMMAND), sink)
    assert (finished.returncode, finished.stdout) == (3, b"out\n")
    lines, starts = finished.stderr.decode().splitlines(), NOT_INSTALLED[missing]
    assert [line[: len(start)] for line, start in zip(lines, starts, strict=True)] == starts
    assert all(missing in line for line in lines if not line.startswith("err"))


@pytest.mark.parametrize("propagators", ["b3", "tracecontext,nonsense", "none"])
@pytest.mark.parametrize("way", ["run", "job"])
def test_a_propagator_that_is_not_installed(sink: Sink, way: str, propagators: str) -> None:
    """The run is recorded, and the variables, which are in the W3C's format, are read unless that is switched off."""
    command = {
        "run": wrapped(*COMMAND, options=("--job", "same")),
        "job": python("import sys, batchtel\nwith batchtel.job('same'): sys.exit(3)"),
    }[way]
    trace = "0af7651916cd43dd8448eb211c80319c"
    variables = {"OTEL_PROPAGATORS": propagators, "TRACEPARENT": f"00-{trace}-b7ad6b7169203331-01"}
    finished = call(command, sink, variables)
    assert finished.returncode == 3
    assert finished.stderr == (b"err\n" if way == "run" else b"")
    assert sink.total("batch.job.completions", job_name="same", status="failure") == 1
    assert (sink.span("batch_job.same").trace_id == trace) is (propagators != "none" or way == "run")


def _is_pending(process: int, number: signal.Signals) -> bool:
    """Return whether a signal was sent to a process that has not received it yet."""
    masks = re.findall(r"^(?:SigPnd|ShdPnd):\s*(\w+)$", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
    return any(int(mask, 16) >> (number - 1) & 1 for mask in masks)


@pytest.mark.compatible(
    "Places",
    "process 1 of a container",
    "the run of the command; orphans are waited for, signals handed on",
)
def test_process_1_waits_for_orphans(sink: Sink) -> None:
    """As the first process of a container it leaves no zombies, hands signals on, and exits as the command does."""
    space = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if call([*space, "true"], None).returncode:
        pytest.skip("no process namespace can be made here: unshare --pid needs root")
    script = """
        for i in 1 2 3 4 5; do (sh -c 'read line' & ) ; done < "$1"
        trap 'exit 4' TERM
        echo ready
        until [ "$(ls -d /proc/[0-9]* | wc -l)" -le "$2" ]; do :; done
        grep -l '^State:.Z' /proc/[0-9]*/status
        echo reaped
        kill -TERM 1
        echo sent
        while :; do sleep 0.05; done
        """
    with Talking(
        [*space, *wrapped("sh", "-c", script, "sh", os.devnull, "4", options=("--job", "first"))], sink
    ) as talking:
        assert talking.line("the start") == "ready"
        assert talking.line("the end of the orphans") == "reaped"
        assert talking.line("the signal from below") == "sent"
        [first] = [
            int(pid)
            for pid in Path(f"/proc/{talking.process.pid}/task/{talking.process.pid}/children").read_text().split()
        ]
        # Two that are pending at the same moment are one, with the sender of the first.
        until("process 1 to receive it", lambda: None if _is_pending(first, signal.SIGTERM) else True, 30)
        os.kill(first, signal.SIGTERM)
        assert talking.end() == 4
    assert sink.total("batch.job.completions", job_name="first", status="failure") == 1


def test_what_was_started_before_an_exec_is_waited_for(sink: Sink) -> None:
    """A script that ends in `exec batchtel run` leaves its background processes to the wrapper."""
    command = python(
        """
        import os, time
        end = time.monotonic() + 30
        while os.path.exists(f"/proc/{os.environ['LEFT']}") and time.monotonic() < end:
            time.sleep(0.01)
        print(os.path.exists(f"/proc/{os.environ['LEFT']}"))
        """
    )
    script = 'sh -c "exit 1" & export LEFT=$!; exec "$@"'
    finished = call(["sh", "-c", script, "sh", *wrapped(*command, options=("--job", "exec"))], sink)
    assert (finished.returncode, finished.stdout) == (0, b"False\n")


def test_a_command_that_is_not_found_without_descriptors(sink: Sink) -> None:
    """Where SIGCHLD is ignored and no pipe is left, it exits as from a shell."""
    line = "import signal, os, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execvp(sys.argv[1], sys.argv[1:])"
    for command, code in ((COMMAND, 3), (("/no/such/command",), 127)):
        finished = subprocess.run(
            [sys.executable, "-c", line, *wrapped(*command)],
            env=environment(sink, {}),
            preexec_fn=limited(resource.RLIMIT_NOFILE, 5),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        assert finished.returncode == code, finished.stderr
