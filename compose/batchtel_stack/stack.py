"""A stack: collector, Prometheus, Alertmanager, VictoriaLogs and Jaeger on loopback, in one data folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from batchtel_dashboards.engines import ENGINES, Engine
from batchtel_stack import build, children, output, queue_files, readiness, sigterm, state
from batchtel_stack.addresses import Addresses
from batchtel_stack.binaries import BINARIES
from batchtel_stack.errors import UnavailableError, WrongInputError
from batchtel_stack.lock import Lock
from batchtel_stack.ports import Ports
from batchtel_stack.programs import PROGRAMS, UI, Options, Program, configured, programs, replaced
from batchtel_stack.state import Process, State
from batchtel_stack.status import Status
from batchtel_stack.stores import Stores

STOP_SECONDS: Final = 10.0
"""Time for each program to end after SIGTERM, before SIGKILL; idle ones need less than 0.3 s."""


class Stack(Addresses):
    """The stack in one data folder, running or not.

    Args:
        data: folder for all its files; created when missing.
        ports: its ports.
        export_interval: how often series are written and rules are evaluated, e.g. "15s"; the environment's when None.
        environment: name or path of the collector's environment.
        query_lookback_delta: Prometheus' flag of that name; its default of 5 minutes when None.
        overrides: more settings of the environment, nested like its file.
        only_collector: start no stores; the collector delivers to those that the environment names.
        ui: start pages for a browser, too.
    """

    def __init__(
        self,
        data: Path,
        ports: Ports | None = None,
        *,
        export_interval: str | None = None,
        environment: str = "local",
        query_lookback_delta: str | None = None,
        overrides: Mapping[str, object] | None = None,
        only_collector: bool = False,
        ui: bool = False,
    ) -> None:
        self.data = Path(os.path.abspath(data))
        self.ports = ports or Ports()
        self.options = Options(
            self.data,
            self.ports,
            environment,
            export_interval,
            query_lookback_delta,
            overrides or {},
            only_collector,
            ui,
        )
        self._lock = Lock(self.data / "stack.lock")
        self._started: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def stores(self) -> Stores:
        """Clients of the stores that it delivers to.

        Raises:
            InvalidEnvironmentError: the environment is wrong.
            WrongInputError: its stores cannot be queried.
        """
        return Stores.of(configured(self.options))

    @property
    def export_interval(self) -> float:
        """Seconds between two writes to Prometheus."""
        return configured(self.options).export_interval.total_seconds()

    @property
    def engine(self) -> Engine:
        """How the counts in Prometheus are read."""
        return ENGINES[configured(self.options).aggregation]

    @classmethod
    @contextmanager
    def running(
        cls,
        data: Path,
        ports: Ports | None = None,
        *,
        export_interval: str | None = None,
        environment: str = "local",
        query_lookback_delta: str | None = None,
        overrides: Mapping[str, object] | None = None,
        only_collector: bool = False,
        notify: Callable[[str], None] = lambda line: None,
    ) -> Iterator[Stack]:
        """Run a stack for the length of a `with` block; the arguments are those of the class and of `start`.

        Everything is stopped at the end, Ctrl-C and SIGTERM included (inside the block both raise KeyboardInterrupt).
        When this process is killed, the kernel kills the programs; enter the block in a thread that lasts as long.
        """
        stack = cls(
            data,
            ports,
            export_interval=export_interval,
            environment=environment,
            query_lookback_delta=query_lookback_delta,
            overrides=overrides,
            only_collector=only_collector,
        )
        with sigterm.as_interrupt():
            try:
                stack.start(tied=True, notify=notify)
                yield stack
            finally:
                stack.stop()

    def start(self, *, tied: bool = False, notify: Callable[[str], None] = lambda line: None) -> None:
        """Build missing programs, start all programs and return when all of them answer.

        Args:
            tied: end the programs with the calling thread; otherwise they continue.
            notify: called with one line for each step.

        Raises:
            UnavailableError: it runs already, a port cannot be opened, a build failed, or a program ended or did not
                answer in time. Nothing is left running.
            InvalidEnvironmentError: the environment is wrong.
        """
        with self._alone(), sigterm.as_interrupt():
            self._require_stopped()
            wanted = programs(self.options, boot=int(time.time()))
            self.ports.require_free()
            # Last: an error that is found without a build must not wait for one.
            needed = [binary for binary in BINARIES if binary.name in {program.name for program in wanted}]
            binaries = {**build.ensure(needed), UI: Path(sys.executable)}
            notify(f"starting {', '.join(program.name for program in wanted)}; data: {self.data}")
            if left_out := replaced(self.options):
                notify(f"its own stores replace the environment's {', '.join(left_out)}")
            damaged = [queue_files.sentence(found) for found in self._set_aside()]
            for sentence in damaged:
                notify(sentence)
            try:
                self._launch(wanted, binaries, tied, {"collector": damaged})
                readiness.wait(wanted, self._processes(), self._started, notify)
                if damaged and not queue_files.count(self.otlp_http, len(damaged)):
                    notify("the collector did not accept the count of damaged queue files")
            except BaseException:
                self._stop_all()
                raise

    def stop(self) -> list[str]:
        """Stop all programs and remove the state; return the names of those that were running."""
        if not self.data.is_dir():
            return []
        with self._alone():
            return self._stop_all()

    def status(self) -> list[Status]:
        """Return one status for each program, in the order of their start; of the pages where they were wanted."""
        processes = {process.name: process for process in self._processes()}
        names = [*PROGRAMS, UI] if self.options.ui or UI in processes else PROGRAMS
        return [Status.of(name, processes.get(name)) for name in names]

    def outdated(self) -> list[Path]:
        """Return the configuration files of a started stack that a new start would change.

        Raises:
            InputError: the environment or its rendering is wrong.
        """
        wanted = {path: text for program in programs(self.options, boot=0) for path, text in program.files.items()}
        return [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]

    def _processes(self) -> tuple[Process, ...]:
        saved = state.read(self.data)
        return saved.processes if saved else ()

    def _require_stopped(self) -> None:
        running = [process.name for process in self._processes() if process.runs()]
        if running:
            raise UnavailableError(
                f"the stack in {self.data} runs already ({', '.join(running)}). Stop it: batchtel stack down"
            )

    def _set_aside(self) -> list[queue_files.Damaged]:
        folder = Path(configured(self.options).queue.folder)
        try:
            return queue_files.set_aside(folder)
        except OSError as error:
            raise UnavailableError(f"cannot check the queues in {folder}: {error}") from None

    def _launch(
        self,
        wanted: tuple[Program, ...],
        binaries: Mapping[str, Path],
        tied: bool,
        notes: Mapping[str, Sequence[str]],
    ) -> None:
        started: list[Process] = []
        for program in wanted:
            for path, text in program.files.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            log = output.fresh(self.data, program.name)
            with log.open("wb") as file:
                file.write("".join(f"{note}\n" for note in notes.get(program.name, ())).encode())
                file.flush()
                child = children.start(
                    [binaries[program.name], *program.arguments],
                    output=file,
                    folder=self.data,
                    environment=_environment(program),
                    tied=tied,
                )
            self._started[program.name] = child
            # The child cannot be reaped before this object polls it, so its entry in /proc exists.
            started.append(Process(program.name, child.pid, state.ticks(child.pid) or 0, time.time(), program.url, log))
            # After each, so that `down` finds the programs of an `up` that was killed.
            state.write(self.data, State(self.ports, tuple(started)))

    def _stop_all(self) -> list[str]:
        running = [process for process in self._processes() if process.runs()]
        # The collector first: it delivers its last data while the backends still listen.
        _end([process for process in running if process.name == "collector"])
        _end([process for process in running if process.name != "collector"])
        for child in self._started.values():
            # One that was started but is not yet in the state.
            if child.poll() is None:
                children.kill_group(child.pid, signal.SIGKILL)
            child.wait()
        self._started.clear()
        state.remove(self.data)
        return [process.name for process in running]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            acquired = self._lock.acquire()
        except OSError as error:
            raise WrongInputError(
                f"cannot write in {self.data}: {error.strerror}; name another folder: --data DIR"
            ) from None
        if not acquired:
            raise UnavailableError(
                f"another batchtel (process {self._lock.holder()}) starts or stops the stack in {self.data}. "
                f"Call the same command again after that."
            )
        try:
            yield
        finally:
            self._lock.release()


def _end(processes: list[Process]) -> None:
    begun = time.monotonic()
    for process in processes:
        children.kill_group(process.pid, signal.SIGTERM)
    while waiting := [process for process in processes if process.runs()]:
        for process in waiting:
            if time.monotonic() - begun > STOP_SECONDS:
                children.kill_group(process.pid, signal.SIGKILL)
        time.sleep(0.02)


def _environment(program: Program) -> dict[str, str]:
    """Return the caller's environment without variables by which the programs would send telemetry about themselves."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "JAEGER_"))}
    return kept | dict(program.variables)
