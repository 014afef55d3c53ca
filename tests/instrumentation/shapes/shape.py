"""Process shapes: what a seed draws, and what is expected of each."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final, NamedTuple

from tests.instrumentation.shapes.parts import ENDS, HOOKS, LOGGING, OPTIONS, WORK
from tests.support.interpreters import VERSIONS

SEED: Final = 7


class Way(NamedTuple):
    """How a process comes to be recorded: what is in front of it, outermost first, and what it calls itself.

    `calls` is `job`, `current_job` (it joins what is around it), or nothing.
    """

    front: tuple[str, ...]
    calls: str


WAYS: Final = {
    "job()": Way((), "job"),
    "instrumented": Way(("instrument",), ""),
    "instrumented, job()": Way(("instrument",), "job"),
    "instrumented, current_job()": Way(("instrument",), "current_job"),
    "instrumented twice": Way(("instrument", "instrument"), "current_job"),
    "batchtel run": Way(("run",), ""),
    "batchtel run, job()": Way(("run",), "job"),
    "batchtel run, instrumented": Way(("run", "instrument"), "current_job"),
}

STARTS: Final = {
    "a script": "{python} work.py",
    "a module": "{python} -m work",
    "a package": "{python} -m package",
    "a folder": "{python} package",
    "an archive": "{python} program.pyz",
    "a text": "{python} -c {text}",
    "runpy": "{python} -c {runpy}",
    "stdin": "{python} -",
    "an entry script that execs": "{python} entry.py",
    "a shell that execs": "sh -c {exec}",
    "a shell that waits": "sh -c {wait}",
    "env": "env SHAPE=1 {python} work.py",
    "nohup": "nohup {python} work.py",
    "timeout": "timeout 60 {python} work.py",
}
"""The command line; each name in braces is one argument, or those of the interpreter."""


@dataclass(frozen=True)
class Shape:
    """One way that a process runs, by the names of its parts; `late` puts hooks and logging in place within the run."""

    version: str
    options: str
    way: str
    start: str
    work: str
    logging: str
    hook: str
    late: bool
    end: str
    after: bool

    def __str__(self) -> str:
        when = "after its run" if self.after else "within its run"
        hooks = f"{self.hook} {'late' if self.late else 'early'}"
        return " / ".join(
            (self.version, self.options, self.way, self.start, self.work, self.logging, hooks, f"{self.end} {when}")
        )


class Expected(NamedTuple):
    """What is expected of a shape.

    `status` is None where the run has started and no process is left to report its end, `error` is None where it is not
    compared, `processed` and `parts` are None where the process calls nothing, and `logs` where they may arrive or not.
    """

    code: int
    status: str | None
    error: str | None
    processed: int | None
    parts: int | None
    logs: int | None


def is_possible(shape: Shape) -> bool:
    """Whether a shape makes sense: what is left out does not work without batchtel, or has no one right result."""
    work, way, end = WORK[shape.work], WAYS[shape.way], ENDS[shape.end]
    starts_fresh = work.starts in ("spawn", "forkserver", "program")
    changes_environment = shape.hook in ("no environment", "another endpoint")
    return not (
        # A main module that multiprocessing cannot import again.
        (shape.start in ("stdin", "an archive", "runpy") and work.starts in ("spawn", "forkserver"))
        # What it starts has no other way to find the collector, and a run without one is another test.
        or (changes_environment and (starts_fresh or shape.end == "exec" or not shape.late))
        # Python 3.12 and later warn of a fork beside threads, here as an error, without batchtel, too.
        or (shape.options == "warnings are errors" and work.starts == "thread fork")
        # A dump of all threads shows those of batchtel.
        or (shape.end == "abort" and (shape.options == "dev" or shape.hook == "faulthandler"))
        # What a forked child has not sent when _exit ends it is lost, and only code can flush.
        or (not way.calls and end.status is None and shape.end != "exec" and shape.way != "batchtel run")
        # After the block nothing is left for the end to be within.
        or (shape.after and way.calls != "job")
        # The forked child of a process that has replaced stdout would print it twice, without batchtel, too.
        or (shape.hook == "a stdout in memory" and shape.work == "fork and exit")
    )


def generate(seed: int, count: int) -> list[Shape]:
    """Return `count` possible shapes, the same ones for the same seed."""
    draw = random.Random(seed)
    shapes: list[Shape] = []
    while len(shapes) < count:
        shape = Shape(
            draw.choice(VERSIONS),
            draw.choice(list(OPTIONS)),
            draw.choice(list(WAYS)),
            draw.choice(list(STARTS)),
            draw.choice(list(WORK)),
            draw.choice(list(LOGGING)),
            draw.choice(list(HOOKS)),
            draw.random() < 0.5,
            draw.choice(list(ENDS)),
            draw.random() < 0.25,
        )
        if is_possible(shape):
            shapes.append(shape)
    return shapes


def expected(shape: Shape) -> Expected:
    """Return what is expected, by the documents alone."""
    end, way, work = ENDS[shape.end], WAYS[shape.way], WORK[shape.work]
    code, status, error = end.code, end.status, end.error
    if shape.end == "SIGTERM" and shape.hook.startswith("SIGTERM"):
        code, status, error = 5, "failure", "SystemExit"
    seen = 128 - code if shape.start == "a shell that waits" and code < 0 else code
    match way.front:
        case ("run", *_):
            status, error = _of_command(seen), None
        case ("instrument", *_) if shape.end == "exec":
            status, error = "failure", "SystemExit"
        case () if shape.after:
            status, error = "success", None
    logs: int | None = 0
    if way.calls or "instrument" in way.front:
        arrives = LOGGING[shape.logging].arrives
        fresh = arrives or work.starts in ("spawn", "forkserver", "program")
        logs = arrives + work.workers * fresh
        if not way.calls and "_exit" in work.text:
            logs = None
    processed, parts = (10 + work.workers, work.workers) if way.calls else (None, None)
    return Expected(seen, status, error, processed, parts, logs)


def _of_command(code: int) -> str:
    """Return the status of a command by its exit code, as docs/commands.md has it."""
    return {0: "success", -2: "cancelled", -15: "cancelled", -9: "lost"}.get(code, "failure")
