"""A command finds under `batchtel run` what it finds without: descriptors, signals, limits, environment, arguments."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.instrumentation.ways_in.command import Talking, call, python, wrapped
from tests.support.process import environment
from tests.support.sink import Sink

DOCUMENTED = {
    *("BATCHTEL_JOB", "BATCHTEL_RUN_ID", "BATCHTEL_ATTEMPT"),
    *("BATCHTEL_OPEN_RUN", "BATCHTEL_OPEN_TYPE", "BATCHTEL_OPEN_TALLY", "BATCHTEL_OPEN_BY", "TRACEPARENT"),
}


def prepare_nothing() -> None:
    """Start as the tests themselves were started."""


def prepare_much() -> None:
    """Change everything that a process inherits and may change for the next."""
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGALRM, signal.SIGTERM, signal.SIGRTMIN})
    os.umask(0o027)
    os.nice(3)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 4096))
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))
    resource.setrlimit(resource.RLIMIT_STACK, (4 << 20, 4 << 20))
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    os.chdir("/usr")


def prepare_more() -> None:
    """Ignore the ends of children, too, which needs another way to start the command."""
    prepare_much()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def facts(of: str) -> dict[str, str]:
    """Return the lines of `/proc/self/status` and `limits` that a process inherits."""
    names: tuple[str, ...] = (
        "Umask",
        "SigBlk",
        "SigIgn",
        "SigCgt",
        "Cpus_allowed_list",
        "NoNewPrivs",
        "Seccomp",
        "Groups",
        "Max ",
    )
    names += ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "Uid", "Gid")
    found = {
        line.partition(":")[0]: line.partition(":")[2].strip() for line in of.splitlines() if line.startswith(names)
    }
    # 32 and 33 are the C library's own, which its posix_spawn() leaves ignored; programs can neither see nor set them.
    found["SigIgn"] = f"{int(found['SigIgn'], 16) & ~(0b11 << 31):016x}"
    return found


@pytest.mark.parametrize("prepare", [prepare_nothing, prepare_much, prepare_more])
@pytest.mark.compatible(
    "Places",
    "masks, limits, capabilities, niceness, umask, session of a command",
    "the run of the command",
)
def test_what_a_process_inherits(sink: Sink, prepare: Callable[[], None]) -> None:
    """Blocked, ignored and caught signals, umask, limits, capabilities, niceness, session, folder are the same."""
    status = ["cat", "/proc/self/status", "/proc/self/limits"]
    direct, through = (
        facts(call(command, sink, preexec_fn=prepare).stdout.decode()) for command in (status, wrapped(*status))
    )
    assert through == direct
    ignores_children = bool(int(direct["SigIgn"], 16) & 1 << signal.SIGCHLD - 1)
    assert ignores_children is (prepare is prepare_more)
    line = ["sh", "-c", "pwd; nice; ps -o pgid=,sid=,tty= -p $$"]
    options = {"preexec_fn": prepare, "process_group": os.getpgrp()}
    direct_line, through_line = (call(command, sink, **options).stdout for command in (line, wrapped(*line)))  # type: ignore[arg-type]
    assert through_line == direct_line != b""


def test_descriptors(sink: Sink, tmp_path: Path) -> None:
    """The same files are open under the same numbers, and a closed stdin, stdout or stderr stays closed."""
    with (tmp_path / "file").open("w") as file:
        read, write = os.pipe()
        inherited = (file.fileno(), read, write)
        listing = ["find", "/proc/self/fd", "-lname", "*[a-z]*", "-printf", "%f %l\n"]
        for closed in ((), (0,), (2,), (0, 2)):

            def close(numbers: tuple[int, ...] = closed) -> None:
                for number in numbers:
                    os.close(number)

            seen = []
            for number, command in enumerate((listing, wrapped(*listing))):
                out = tmp_path / f"{len(closed)}{number}"
                with out.open("wb") as stdout:
                    call(command, sink, preexec_fn=close, stdout=stdout, stderr=subprocess.DEVNULL, pass_fds=inherited)
                # What find itself opens to look has no number of its own in common.
                lines = {line.replace(str(out), "out") for line in out.read_text().splitlines()}
                seen.append({line for line in lines if "/proc" not in line})
            assert seen[1] == seen[0]
            assert f"{file.fileno()} {file.name}" in seen[0]
            assert any(line.startswith("0 ") for line in seen[0]) is (0 not in closed)
        os.close(read)
        os.close(write)


@pytest.mark.parametrize("locale", [{}, {"LC_ALL": "C"}, {"LANG": "de_DE.UTF-8"}, {"LC_CTYPE": "C.UTF-8"}])
def test_environment(sink: Sink, locale: dict[str, str]) -> None:
    """Nothing but the documented variables is added, also in the C locale, where Python sets one; none is changed."""
    strange = {"EMPTY": "", "LINES": "one\ntwo", "EQUALS": "a=b=c", "UMLAUT": "ä", **locale}
    variables = {**environment(sink, strange), "BYTES": os.fsdecode(b"\xff\xfe")}
    for name in {"LC_ALL", "LANG", "LC_CTYPE"} - set(locale):
        variables.pop(name, None)
    direct = call(["env", "-0"], None, env=variables).stdout.split(b"\0")
    through = call(wrapped("env", "-0"), None, env=variables).stdout.split(b"\0")
    added = {entry.partition(b"=")[0].decode() for entry in set(through) - set(direct)}
    assert added == DOCUMENTED
    assert set(direct) <= set(through)


def test_environment_where_nothing_is_recorded() -> None:
    """Without a collector, or turned off, the environment is the same to the letter."""
    for variables in ({}, {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}):
        direct = call(["env", "-0"], None, variables).stdout
        assert sorted(call(wrapped("env", "-0"), None, variables).stdout.split(b"\0")) == sorted(direct.split(b"\0"))


def test_arguments(sink: Sink) -> None:
    """Spaces, nothing, umlauts, dashes, bytes that are no text, and options that batchtel has, too."""
    arguments = [
        "a b",
        "",
        "ä",
        "-",
        "--",
        "--json",
        "-v",
        "--help",
        "--job",
        "x",
        "'\"$HOME*",
        "\n",
        os.fsdecode(b"\xff"),
    ]
    show = ["printf", "<%s>", *arguments]
    expected = call(show, None).stdout
    assert expected.count(b"<") == len(arguments)
    assert call(wrapped(*show), sink).stdout == expected
    without_dashes = [*wrapped()[:2], "--attempt", "2", *show]
    assert call(without_dashes, sink).stdout == expected
    assert sink.total("batch.job.retries", job_name="printf") == 1


def test_binary_data_and_large_outputs(sink: Sink, tmp_path: Path) -> None:
    """Every byte of 20 MB goes through stdin to stdout and stderr."""
    content = bytes(range(256)) * 80_000
    given = tmp_path / "given"
    given.write_bytes(content)
    with given.open("rb") as stdin:
        finished = call(wrapped("sh", "-c", "tee /dev/stderr"), sink, stdin=stdin)
    assert finished.stdout == content
    assert finished.stderr == content


def test_a_reader_that_goes_away(sink: Sink) -> None:
    """`batchtel run -- yes | head -1` ends at once, as without: the command is killed by SIGPIPE."""
    line = '"$@" | head -1; echo ${PIPESTATUS[0]}'
    finished = call(["bash", "-c", line, "bash", *wrapped("yes")], sink)
    assert finished.stdout == b"y\n141\n"
    assert sink.total("batch.job.completions", status="failure", error_type="SIGPIPE") == 1


def test_a_daemon_that_is_left_behind(sink: Sink) -> None:
    """The wrapper ends with the command, and what the command has left in the background goes on."""
    with Talking(wrapped("sh", "-c", "(sleep 100 </dev/null >/dev/null 2>&1 & echo $!); exit 3"), sink) as talking:
        daemon = int(talking.line("the daemon's process id"))
        assert talking.end() == 3
        os.kill(daemon, signal.SIGKILL)


def test_cpu_seconds_and_peak_memory(sink: Sink) -> None:
    """A command that burns a second of CPU and holds 100 MB is measured so, with its own children."""
    burn = """
        import os, resource, time
        held = bytearray(100_000_000)
        while time.process_time() < 0.5: pass
        if os.fork() == 0:
            start = time.process_time()
            while time.process_time() - start < 0.5: pass
            os._exit(0)
        os.wait()
        kinds = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
        print(sum(sum(resource.getrusage(kind)[:2]) for kind in kinds))
        """
    finished = call(wrapped(*python(burn), options=("--job", "burn")), sink)
    assert finished.returncode == 0
    burnt = float(finished.stdout)
    attributes = sink.event("batch.run.finished").attributes
    assert 0.99 <= burnt <= attributes["batch.cpu.time"] < 1.5 * burnt
    assert 100_000_000 <= attributes["batch.memory.peak"] < 200_000_000
    assert sink.total("batch.job.cpu.time", job_name="burn") == attributes["batch.cpu.time"]
    [memory] = [point for point in sink.points("batch.job.memory.peak") if point.value]
    assert memory.sum == attributes["batch.memory.peak"]


def test_options_are_recorded(sink: Sink) -> None:
    """Job, type, attempt, time and attributes are found on span, events and metrics; attributes are never labels."""
    options: tuple[str, ...] = (
        "--job",
        "nightly",
        "--type",
        "etl",
        "--attempt",
        "3",
        "--scheduled-at",
        "2026-03-01T22:30:00Z",
    )
    options += ("--attribute", "region=eu", "--attribute", "note=a=b")
    finished = call(wrapped("printenv", "BATCHTEL_OPEN_TYPE", options=options), sink)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, b"etl\n", b"")
    assert sink.total("batch.job.completions", job_name="nightly", job_type="etl", status="success") == 1
    assert sink.total("batch.job.retries", job_name="nightly") == 1
    for attributes in (sink.span("batch_job.nightly").attributes, sink.event("batch.run.finished").attributes):
        assert attributes["batch.run.attempt"] == 3
        assert attributes["batch.scheduled_at"] == "2026-03-01T22:30:00.000+00:00"
        assert (attributes["region"], attributes["note"]) == ("eu", "a=b")
        assert attributes["process.executable.name"] == "printenv"
    assert all("region" not in point.attributes for point in sink.points())


@pytest.mark.parametrize("state", ["refused", "hang", "unavailable", "off", "none"])
def test_collector_states(sink: Sink, refused: str, state: str) -> None:
    """Whatever the collector does, exit code and output are the command's, and it costs no more than its deadline."""
    variables = {"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test"}
    if state in ("hang", "unavailable"):
        sink.mode = state  # type: ignore[assignment]  # mypy narrows no str to a literal
    if state != "none":
        variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = refused if state == "refused" else sink.url
    if state == "off":
        variables["OTEL_SDK_DISABLED"] = "true"
    finished = call(["bash", "-c", '"$@"; echo $?', "bash", *wrapped("sh", "-c", "echo out; exit 7")], None, variables)
    assert finished.stdout == b"out\n7\n"
    lines = finished.stderr.decode().splitlines()
    if state == "none":
        [line] = lines
        assert line.startswith("OTEL_EXPORTER_OTLP_ENDPOINT is not set, so the runs of this process are not recorded;")
    elif state == "off":
        assert lines == []
    elif state == "hang":
        [line] = lines
        assert re.match(r"batchtel: run [0-9a-f-]{36} of sh: lost: 1 span, ", line), line
        assert f" not acknowledged by {sink.url} within 2 s; " in line
    else:
        assert all(line.startswith(("cannot send ", "batchtel")) for line in lines), lines
    assert sink.requests == []
