"""Show the progress of builds: a live table on a terminal, elsewhere a line at each change and one a minute."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.table import Table

_QUIET_SECONDS: Final = 60.0


@dataclass
class Step:
    """The progress of one build.

    Attributes:
        name: the program.
        state: waiting, fetching its modules, fetched, building, built, failed, or that it waits for
            another builder.
        started: monotonic seconds, 0 before the start.
        log: the compiler's output, with one line for each compiled package.
    """

    name: str
    state: str = "waiting"
    started: float = 0.0
    log: Path | None = None
    _ended: float = field(default=0.0, repr=False)

    @property
    def finished(self) -> bool:
        """Whether the build has ended."""
        return self.state in {"built", "failed"}

    def elapsed(self) -> str:
        """Return minutes and seconds since the start, `-` before it; the clock stops when the step is finished."""
        if not self.started:
            return "-"
        if self.finished and not self._ended:
            self._ended = time.monotonic()
        seconds = int((self._ended or time.monotonic()) - self.started)
        return f"{seconds // 60}:{seconds % 60:02}"

    def packages(self) -> int:
        """Return how many packages were compiled so far, without those from Go's cache."""
        if self.log is None or not self.log.exists():
            return 0
        with self.log.open(errors="replace") as lines:
            return sum(1 for line in lines if " " not in line.strip())


class Progress:
    """A context manager that shows steps on stderr while it is open."""

    def __init__(self, names: list[str]) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._live = Live(console=self._console, refresh_per_second=4) if self._console.is_terminal else None
        self._states = dict.fromkeys(names, "waiting")
        self._shown_at = time.monotonic()

    def __enter__(self) -> Progress:
        self.notify(
            f"Building {', '.join(self._states)} from source. This happens once: 13 minutes of CPU time and "
            f"4 GB of Go's caches, all five together. Ctrl-C loses nothing."
        )
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def notify(self, line: str) -> None:
        """Print one line."""
        self._console.print(line, soft_wrap=True, markup=False)

    def show(self, steps: list[Step]) -> None:
        """Show the steps; cheap enough to be called ten times a second."""
        now = time.monotonic()
        if self._live:
            if now - self._shown_at >= 0.5:
                self._shown_at = now
                self._live.update(_table(steps))
            return
        changed = [step for step in steps if step.state != self._states[step.name]]
        self._states.update({step.name: step.state for step in changed})
        if now - self._shown_at >= _QUIET_SECONDS:
            changed = [step for step in steps if not step.finished]
        if changed:
            self._shown_at = now
            self.notify("; ".join(_text(step) for step in changed))


def _table(steps: list[Step]) -> Table:
    table = Table("program", "state", "time", "packages compiled", box=None, padding=(0, 3, 0, 0))
    for step in steps:
        table.add_row(step.name, step.state, step.elapsed(), str(step.packages()) if step.started else "-")
    return table


def _text(step: Step) -> str:
    if not step.started:
        return f"{step.name}: {step.state}"
    return f"{step.name}: {step.state} ({step.elapsed()}, {step.packages()} packages compiled)"
