"""`batchtel run --capture-output`: lines become log records, and every byte still arrives."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from batchtel.cli import captured_output
from tests.instrumentation.ways_in.command import Talking, call, python, wrapped
from tests.support.process import TIMEOUT, environment
from tests.support.sink import Log, Sink

CAPTURED = ("--capture-output", "--job", "captured")


def lines(sink: Sink) -> list[Log]:
    """Return the recorded lines, in order of arrival."""
    return [log for log in sink.logs() if log.scope == "batchtel.output"]


def test_lines_of_both_streams(sink: Sink) -> None:
    """Each line is a record of the run with its stream, in the order of the stream, with an unfinished last line."""
    script = "echo one; echo two >&2; printf 'three\\r\\n\\n'; printf 'no end'; exit 3"
    finished = call(wrapped("sh", "-c", script, options=CAPTURED), sink)
    assert (finished.returncode, finished.stdout, finished.stderr) == (3, b"one\nthree\r\n\nno end", b"two\n")
    run = sink.span("batch_job.captured")
    recorded = {
        stream: [line.body for line in lines(sink) if line.attributes["log.iostream"] == stream]
        for stream in ("stdout", "stderr")
    }
    assert recorded == {"stdout": ["one", "three", "", "no end"], "stderr": ["two"]}
    for line in lines(sink):
        assert (line.severity, line.trace_id, line.span_id) == ("INFO", run.trace_id, run.span_id)
        assert line.attributes["batch.run.id"] == run.attributes["batch.run.id"]
        assert line.attributes["batch.job.name"] == "captured"


def test_nothing_is_recorded_unless_asked(sink: Sink) -> None:
    """Without the option the command keeps its own descriptors, and no line leaves."""
    link = call(wrapped("readlink", "/proc/self/fd/2"), sink, stderr=subprocess.DEVNULL)
    assert link.stdout == b"/dev/null\n"
    captured = call(wrapped("readlink", "/proc/self/fd/2", options=CAPTURED), sink, stderr=subprocess.DEVNULL)
    assert captured.stdout.startswith(b"pipe:")
    assert [line.body.partition(":")[0] for line in lines(sink)] == ["pipe"]


def test_binary_data_and_limits(sink: Sink) -> None:
    """20 MB pass unchanged; a long line is cut with a marker, bytes that are no text are shown as escapes."""
    content = (
        b"\xff\xfe umlaut \xc3\xa4\n" + b"x" * (captured_output.LINE_LIMIT + 5) + b"\n" + bytes(range(256)) * 80_000
    )
    script = """
        import sys
        content = sys.stdin.buffer.read()
        sys.stdout.buffer.write(content)
        sys.stderr.buffer.write(content)
        """
    finished = call(wrapped(*python(script), options=CAPTURED), sink, stdin=None, input=content)
    assert finished.returncode == 0
    assert finished.stdout == content
    assert finished.stderr == content
    first, second = [line.body for line in lines(sink) if line.attributes.get("log.iostream") == "stdout"][:2]
    assert first == "\\xff\\xfe umlaut ä"
    assert second == "x" * captured_output.LINE_LIMIT + " [5 more bytes]"


def test_many_lines(sink: Sink) -> None:
    """The first and the last lines of a run are recorded, with a marker that counts what is left out."""
    finished = call(wrapped("seq", "12000", options=CAPTURED), sink)
    assert finished.stdout.count(b"\n") == 12000
    bodies = [line.body for line in lines(sink)]
    numbers = [*range(1, 1 + captured_output.FIRST_LINES), *range(12001 - captured_output.LAST_LINES, 12001)]
    marker = bodies.pop(captured_output.FIRST_LINES)
    assert marker == "7000 lines of output are left out here: the first 4000 and last 1000 stay"
    assert bodies == [str(number) for number in numbers]


def test_lines_arrive_while_the_command_runs(sink: Sink) -> None:
    """A line is passed on at once, and recorded before the run ends."""
    script = "import sys; print('first', flush=True); sys.stdin.readline(); print('second')"
    with Talking(wrapped(*python(script), options=CAPTURED), sink, stdin=subprocess.PIPE) as talking:
        assert talking.line("the first line") == "first"
        sink.wait_event("")
        assert [line.body for line in lines(sink)] == ["first"]
        assert sink.events("batch.run.finished") == []
        assert talking.process.stdin is not None
        talking.process.stdin.write("go\n")
        talking.process.stdin.close()
        assert talking.end() == 0
    assert [line.body for line in lines(sink)] == ["first", "second"]


def test_a_prompt_does_not_wait_for_the_end_of_its_line(sink: Sink) -> None:
    """What has no line end yet is passed on at once, too."""
    script = "import sys; print('asking', end='', flush=True); sys.stdin.readline(); print(' done')"
    with subprocess.Popen(
        wrapped(*python(script), options=CAPTURED),
        env=environment(sink, {}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as asked:
        assert asked.stdin is not None
        assert asked.stdout is not None
        assert os.read(asked.stdout.fileno(), 100) == b"asking"
        asked.stdin.write(b"go\n")
        asked.stdin.close()
        assert asked.stdout.read() == b" done\n"
        assert asked.wait(TIMEOUT) == 0
    assert [line.body for line in lines(sink)] == ["asking done"]


def test_a_reader_that_goes_away(sink: Sink) -> None:
    """The command is killed by SIGPIPE, as without the pipe in between."""
    line = '"$@" | head -1; echo ${PIPESTATUS[0]}'
    finished = call(["bash", "-c", line, "bash", *wrapped("yes", options=CAPTURED)], sink)
    assert finished.stdout == b"y\n141\n"
    assert sink.total("batch.job.completions", status="failure", error_type="SIGPIPE") == 1


def test_closed_descriptors(sink: Sink, tmp_path: Path) -> None:
    """A stream that is closed stays closed; the other one is captured."""
    seen = tmp_path / "seen"
    script = f"ls /proc/self/fd > {seen}; echo error >&2"
    finished = call(["sh", "-c", 'exec "$@" 0<&- 1>&-', "sh", *wrapped("sh", "-c", script, options=CAPTURED)], sink)
    assert (finished.returncode, finished.stderr) == (0, b"error\n")
    assert [line.body for line in lines(sink)] == ["error"]
    plain = call(["sh", "-c", 'exec "$@" 0<&- 1>&-', "sh", *wrapped("sh", "-c", "echo out")], sink)
    direct = call(["sh", "-c", 'exec "$@" 0<&- 1>&-', "sh", "sh", "-c", "echo out"], None)
    assert plain.stderr == direct.stderr


def test_a_daemon_goes_on_writing(sink: Sink, tmp_path: Path) -> None:
    """The wrapper ends with the command; what it left in the background still reaches stdout, to its end."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = f"(read line < {fifo}; echo $line; echo last) 2>/dev/null & echo first; exit 4"
    with Talking(wrapped("sh", "-c", script, options=CAPTURED), sink) as talking:
        assert talking.line("the command's line") == "first"
        assert talking.process.wait(30) == 4
        fifo.write_text("from the daemon\n")
        assert talking.line("the daemon's line") == "from the daemon"
        assert talking.end() == 4
    assert talking.seen == ["first", "from the daemon", "last"]
    assert [line.body for line in lines(sink)] == ["first"]


def test_without_a_collector(refused: str) -> None:
    """Turned off nothing stands in between; with a dead collector the output passes all the same."""
    off = call(wrapped("readlink", "/proc/self/fd/1", options=CAPTURED), None, {"OTEL_SDK_DISABLED": "true"})
    assert off.stdout.startswith(b"pipe:")
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": refused}
    dead = call(wrapped("sh", "-c", "seq 20000; exit 7", options=CAPTURED), None, variables)
    assert (dead.returncode, dead.stdout.count(b"\n")) == (7, 20000)
