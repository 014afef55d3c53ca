"""The output of a command as log records of its run; every byte still goes where it would have gone.

The command writes into pipes, so it no longer sees a terminal: many programs then write in blocks and without colour.
The order of what it writes is kept within stdout and within stderr, not between the two.
"""

from __future__ import annotations

import array
import fcntl
import logging
import os
import select
import signal
import termios
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Final

from batchtel.base.guard import harmless
from batchtel.redact.patterns import KeyLines

LINE_LIMIT: Final = 8192
"""Bytes of one line that are recorded."""

FIRST_LINES: Final = 4000
"""Lines of a run that are recorded as they come."""

LAST_LINES: Final = 1000
"""Lines of a run that are recorded at its end, where there are more than the first: they show why it failed."""

STREAMS: Final = {1: "stdout", 2: "stderr"}
"""File descriptor -> value of log.iostream (https://opentelemetry.io/docs/specs/semconv/registry/attributes/log/)."""

_CHUNK: Final = 65536


class Output:
    """The stdout and stderr of a command, as far as those are open."""

    def __init__(self) -> None:
        """Make the pipes, and what reads them; OSError or RuntimeError where none, or no thread, can be made."""
        self._lines = _Lines()
        self._pumps: list[_Pump] = []
        try:
            for number in filter(_is_open, STREAMS):
                self._pumps.append(_Pump(number, self._lines))
            _start_without_signals(self._pumps)
        except (OSError, RuntimeError):
            for pump in self._pumps:
                pump.close()
            raise
        self.descriptors = {pump.number: pump.write_end for pump in self._pumps}
        """The command's file descriptors -> ours, which it is to get in their place."""

    def start(self) -> None:
        """Pass on what comes, now that the command has its ends of the pipes."""
        for pump in self._pumps:
            os.close(pump.write_end)

    def finish(self) -> None:
        """Pass on the rest of what the command wrote, which has ended.

        What it has left behind in the background may go on writing: a small process stays, to pass that on.
        """
        left = [pump for pump in self._pumps if not pump.finish()]
        if left and _forked():
            _stay(left)

    def record(self) -> None:
        """Record the lines until now and those to come: the run is open."""
        self._lines.record()

    def record_rest(self) -> None:
        """Record the last lines: the run is about to end."""
        self._lines.record_rest()


@dataclass(frozen=True, slots=True)
class _Line:
    stream: str
    content: bytes
    cut: int
    at: float


class _Lines:
    """The first and the last lines of a run, on their way to its log."""

    def __init__(self) -> None:
        self._first: deque[_Line] = deque()
        self._last: deque[_Line] = deque(maxlen=LAST_LINES)
        self._count = 0
        self._recording = False
        self._key_lines = {stream: KeyLines() for stream in STREAMS.values()}
        self._lock = threading.Lock()
        self._logger = logging.getLogger("batchtel.output")
        # No handler prints a line a second time, nor does logging.lastResort.
        self._logger.propagate = False
        self._logger.addHandler(logging.NullHandler())

    @harmless(None)
    def add(self, line: _Line) -> None:
        """Add the next line of either stream."""
        with self._lock:
            self._count += 1
            (self._first if self._count <= FIRST_LINES else self._last).append(line)
            self._send()

    def record(self) -> None:
        """Send what waits, and everything from now on."""
        with self._lock:
            self._recording = True
            self._send()

    def record_rest(self) -> None:
        """Send the last lines, after a marker where some between them and the first are left out."""
        with self._lock:
            missing = self._count - FIRST_LINES - len(self._last)
            if missing > 0:
                text = (
                    f"{missing} lines of output are left out here: the first {FIRST_LINES} and last {LAST_LINES} stay"
                )
                self._log(text, logging.WARNING, self._last[0].at, {})
            self._first.extend(self._last)
            self._last.clear()
            self._send()

    def _send(self) -> None:
        while self._recording and self._first:
            line = self._first.popleft()
            cut = f" [{line.cut} more bytes]" if line.cut else ""
            # Not WARN for stderr: most programs write their whole log there, whatever its severity.
            text = self._key_lines[line.stream].line(line.content.decode("utf-8", "backslashreplace")) + cut
            self._log(text, logging.INFO, line.at, {"log.iostream": line.stream})

    def _log(self, text: str, level: int, at: float, attributes: dict[str, str]) -> None:
        record = logging.LogRecord(self._logger.name, level, "", 0, text, (), None)
        record.created = at
        # Records of our own threads are not exported; these lines are not ours, whichever thread carries them.
        record.threadName = "output"
        vars(record).update(attributes)
        self._logger.handle(record)


class _Pump:
    """Copies one pipe to one of our file descriptors, and cuts what passes into lines."""

    def __init__(self, number: int, lines: _Lines) -> None:
        self.number = number
        self._lines = lines
        self.read_end, self.write_end = _pipe()
        try:
            self._stopped, self._stop = _pipe()
        except OSError:
            os.close(self.read_end)
            os.close(self.write_end)
            raise
        self._line, self._cut = bytearray(), 0
        self._open = True
        self._thread = threading.Thread(target=self._run, name=f"output-{STREAMS[number]}", daemon=True)

    def start(self) -> None:
        """Wait for what comes; it ends with the command's ends of the pipe, of which ours is one until `close`."""
        self._thread.start()

    def close(self) -> None:
        """Give everything back, where no command is to write into it."""
        os.close(self._stop)
        if self._thread.ident is not None:
            self._thread.join()
        for end in (self.read_end, self.write_end, self._stopped):
            os.close(end)

    def finish(self) -> bool:
        """Copy what is in the pipe now; False if somebody may still write to it."""
        os.close(self._stop)
        self._thread.join()
        if self._line:
            self._end_line()
        return not self._open

    def pass_on(self) -> bytes:
        """Copy what there is to read, waiting for it; nothing if there never will be more, or no program reads it."""
        chunk = os.read(self.read_end, _CHUNK)
        rest = memoryview(chunk)
        while rest:
            try:
                rest = rest[os.write(self.number, rest) :]
            except BlockingIOError:
                select.select([], [self.number], [])
            except OSError:
                # The command learns of it by its next write, as it would have from its own reader.
                return b""
        return chunk

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self.read_end, select.POLLIN)
        poll.register(self._stopped, select.POLLIN)
        while self._open:
            if self._stopped in dict(poll.poll()):
                self._drain()
                return
            self._move()

    def _drain(self) -> None:
        """Copy as much as is in the pipe now: what comes later is no longer the command's own."""
        waiting = array.array("i", [0])
        fcntl.ioctl(self.read_end, termios.FIONREAD, waiting)
        left = waiting[0]
        while self._open:
            poll = select.poll()
            poll.register(self.read_end, select.POLLIN)
            events = dict(poll.poll(0)).get(self.read_end, 0)
            if left <= 0 and not events & select.POLLHUP:
                return
            left -= self._move()

    def _move(self) -> int:
        chunk = self.pass_on()
        if not chunk:
            self._open = False
            os.close(self.read_end)
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            self._extend_line(part)
            self._end_line()
        self._extend_line(rest)
        return len(chunk)

    def _extend_line(self, part: bytes) -> None:
        room = LINE_LIMIT - len(self._line)
        self._line += part[:room]
        self._cut += len(part[room:])

    def _end_line(self) -> None:
        self._lines.add(_Line(STREAMS[self.number], bytes(self._line).removesuffix(b"\r"), self._cut, time.time()))
        self._line, self._cut = bytearray(), 0


def _stay(pumps: list[_Pump]) -> None:
    """Copy until no process can write any more; does not return. Runs in a process of its own, without telemetry."""
    used = {pump.read_end for pump in pumps} | {pump.number for pump in pumps}
    for descriptor in {int(name) for name in os.listdir("/proc/self/fd")} - used:
        # One of them was the listing's own.
        if _is_open(descriptor):
            os.close(descriptor)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    while pumps:
        ready = select.select([pump.read_end for pump in pumps], [], [])[0]
        pumps = [pump for pump in pumps if pump.read_end not in ready or pump.pass_on()]
    os._exit(0)


def _forked() -> bool:
    """Whether this is a child made here; where none can be made, writers find that their pipe is closed."""
    try:
        return os.fork() == 0
    except OSError:
        return False


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _start_without_signals(pumps: list[_Pump]) -> None:
    """Start the threads before the command: where none can be started, no code would read what it writes.

    With all signals blocked, as the main thread will have them, for which the others must not receive them.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        for pump in pumps:
            pump.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _pipe() -> tuple[int, int]:
    """Return both ends of a pipe, away from the standard descriptors, one of which may be closed and so free."""
    ends, moved = os.pipe(), list[int]()
    try:
        for end in ends:
            moved.append(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 3))
    except OSError:
        for end in moved:
            os.close(end)
        raise
    finally:
        for end in ends:
            os.close(end)
    return moved[0], moved[1]
