"""Places where jobs run: cron, another user, a read-only disk, no /proc, a daemon. The run is recorded all the same."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.instrumentation.ways_in.command import PROGRAMS, call, ended, instrumented, wrapped
from tests.support.interpreters import packages
from tests.support.sink import Sink

JOB = """
import logging, sys
print("caf\\xe9".encode("unicode_escape").decode())
logging.warning("late: caf\\xe9")
sys.exit(3)
"""

BARE = {
    "instrumented": instrumented("-c", JOB),
    "run": wrapped(sys.executable, "-c", JOB),
    "code": [
        sys.executable,
        "-c",
        f"import batchtel\nwith batchtel.job('job'):\n {JOB.strip().replace(chr(10), chr(10) + ' ')}",
    ],
}
WITHOUT = [sys.executable, "-c", JOB]


@pytest.mark.parametrize("way", BARE)
@pytest.mark.compatible(
    "Places",
    "cron: four variables, no locale, no terminal",
    "the run, with its exit code",
)
def test_cron(sink: Sink, way: str) -> None:
    """A shell with four variables, no terminal, no locale, at the root of the disk."""
    variables = {
        "HOME": "/",
        "LOGNAME": "root",
        "SHELL": "/bin/sh",
        "PATH": "/usr/bin:/bin",
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        "BATCHTEL_JOB": "job",
    }
    results = [
        call(["/bin/sh", "-c", shlex.join(command)], None, cwd="/", env=variables, start_new_session=True)
        for command in (WITHOUT, BARE[way])
    ]
    assert _left(results[0]) == _left(results[1])
    assert results[0].returncode == 3
    assert ended(sink) == [("job", "failure", 3)]


def _left(finished: subprocess.CompletedProcess[bytes]) -> tuple[int, bytes, bytes]:
    return finished.returncode, finished.stdout, finished.stderr


def _in_a_namespace(prepare: str, command: list[str]) -> list[str]:
    """Return the arguments that run a command where `prepare`, shell text, has changed what is mounted."""
    return ["unshare", "--mount", "sh", "-c", f'{prepare} && exec "$@"', "sh", *command]


NAMESPACES = {
    "a read-only disk": "for at in / /tmp /dev/shm; do mount --bind $at $at && mount -o remount,ro,bind $at; done",
    "no /proc": "mount -t tmpfs none /proc",
    "no /dev/shm": "mount -t tmpfs -o ro none /dev/shm",
    "a full disk": "mount -t tmpfs -o size=4k none /tmp && head -c 8192 /dev/zero > /tmp/full || true",
}


@pytest.mark.parametrize("way", BARE)
@pytest.mark.parametrize("place", NAMESPACES)
@pytest.mark.compatible(
    "Places",
    "a read-only disk, no `/proc`, no `/dev/shm`, no room for temporary files",
    "the run, with its exit code",
)
def test_a_container(sink: Sink, place: str, way: str) -> None:
    """Exit code and output are those without batchtel, and the run is a failure."""
    if call(_in_a_namespace("true", ["true"]), None).returncode:
        pytest.skip("nothing can be mounted here: unshare --mount needs root")
    if place == "a full disk" and Path(sys.prefix).resolve().is_relative_to("/tmp"):
        pytest.skip(f"the interpreter is in {sys.prefix}, which a full disk on /tmp hides")
    plain = call(_in_a_namespace(NAMESPACES[place], WITHOUT), None)
    recorded = call(_in_a_namespace(NAMESPACES[place], BARE[way]), sink, {"BATCHTEL_JOB": "job"})
    assert _left(recorded) == _left(plain)
    assert plain.returncode == 3, plain.stderr
    assert ended(sink) == [("job", "failure", 3)]


@pytest.mark.parametrize("way", ["instrumented", "code"])
@pytest.mark.compatible(
    "Places",
    "setuid: a job that gives up root",
    "the run, with its exit code",
)
def test_a_job_that_becomes_another_user(sink: Sink, tmp_path: Path, way: str) -> None:
    """A program that root starts and that gives its rights up, as mail, backup and cron wrappers do."""
    python = "/usr/bin/python3"
    if os.getuid() != 0 or call(["setpriv", "--reuid", "65534", python, "-c", ""], None).returncode:
        pytest.skip(f"no other user can run {python} here, or this is not root")
    block = "import batchtel\nwith batchtel.job('job') as job:" if way == "code" else "if True:"
    text = f"""
import os
{block}
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
    os.chdir("/")
    import logging
    logging.warning("late")
    if os.fork() == 0:
        logging.warning("of a child")
        os._exit(0)
    os.wait()
    raise SystemExit(3)
"""
    script = tmp_path / "job.py"
    script.write_text(text)
    front = [str(PROGRAMS / "opentelemetry-instrument")] if way == "instrumented" else []
    variables = {"PYTHONPATH": packages(), "BATCHTEL_JOB": "job", "PYTHONDONTWRITEBYTECODE": "1"}
    recorded = call([*front, python, str(script)], sink, variables)
    assert (recorded.returncode, recorded.stdout) == (3, b"")
    assert recorded.stderr == b"WARNING:root:late\nWARNING:root:of a child\n"
    assert ended(sink) == [("job", "failure", 3)]


DAEMON = """
import os, sys

def leave():
    if os.fork():
        os._exit(0)

leave()
os.setsid()
leave()
os.chdir("/")
os.umask(0)
empty = os.open("/dev/null", os.O_RDWR)
for number in range(3):
    os.dup2(empty, number)
os.closerange(3, 4096)
import logging
import batchtel
with batchtel.job("job") as job:
    logging.warning("from the background")
    job.records(processed=1)
"""


@pytest.mark.parametrize("way", ["code", "instrumented"])
@pytest.mark.compatible(
    "Places",
    "a daemon that has closed all descriptors",
    "the job that it opens",
)
def test_a_daemon(sink: Sink, way: str) -> None:
    """Forked twice, in a session of its own, with every descriptor closed: the job that it opens is recorded."""
    front = [] if way == "code" else [str(PROGRAMS / "opentelemetry-instrument")]
    finished = call([*front, sys.executable, "-c", DAEMON], sink, {"BATCHTEL_JOB": "other" if way != "code" else ""})
    assert _left(finished) == (0, b"", b"")
    ended = sink.wait_event("batch.run.finished")
    assert (ended.attributes["batch.job.name"], ended.attributes["batch.status"]) == ("job", "success")
    assert [log.body for log in sink.logs() if not log.event] == ["from the background"]
