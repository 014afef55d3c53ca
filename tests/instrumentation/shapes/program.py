"""A shape as a program: its files, its command line, and what a run of it leaves."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
import textwrap
import zipfile
from pathlib import Path
from typing import NamedTuple

from tests.instrumentation.shapes.parts import ENDS, HOOKS, LOGGING, OPTIONS, WORK
from tests.instrumentation.shapes.shape import STARTS, WAYS, Shape
from tests.support.interpreters import interpreter, packages
from tests.support.process import TIMEOUT, environment
from tests.support.sink import Sink

_PROGRAMS = Path(sys.executable).parent

_STAND_IN = """
class Nothing:
    def __getattr__(self, name):
        return lambda *values, **named: None
    def __enter__(self):
        return self
    def __exit__(self, *error):
        return None

def job(*values, **named):
    return Nothing()

step = current_job = flush = job
"""
"""Replaces batchtel in a process that runs without it."""

_PARTS = """
import logging, os, sys
if {calls} and "PLAIN" not in os.environ:
    import batchtel
else:
    import stand_in as batchtel

def part(name):
    with batchtel.step("part") as step:
        step.records(read=1)
        batchtel.current_job().records(processed=1)
        logging.getLogger("load").warning("part %s", name)

if __name__ == "__main__":
    with batchtel.job("shape"):
        part(sys.argv[1])
"""

_WORK = """
import contextlib, logging, os, sys
import parts
from parts import batchtel

def main():
    {early}
    with {opens} as run:
        {late}
        run.records(processed=10)
        logging.getLogger("load").warning("main")
        print("working")
        {work}
        {end}
    {after}

if __name__ == "__main__":
    main()
"""


class Left(NamedTuple):
    """What a process has left; the lines are sorted, for processes write at the same time."""

    code: int
    stdout: list[str]
    stderr: list[str]
    files: list[str]


def write(shape: Shape, folder: Path) -> None:
    """Write the files of a shape, for every way to start it."""
    way = WAYS[shape.way]
    (folder / "stand_in.py").write_text(_STAND_IN)
    (folder / "parts.py").write_text(_PARTS.format(calls=bool(way.calls)))
    text = _text(shape)
    (folder / "work.py").write_text(text)
    (folder / "package").mkdir()
    (folder / "package" / "__main__.py").write_text(text)
    with zipfile.ZipFile(folder / "program.pyz", "w") as archive:
        archive.writestr("__main__.py", text)
    command = [interpreter(shape.version), *OPTIONS[shape.options], "work.py"]
    (folder / "entry.py").write_text(f"import os, sys\nprint('entry', flush=True)\nos.execv({command[0]!r}, {command})")


def _text(shape: Shape) -> str:
    prepare = "\n".join((LOGGING[shape.logging].text, HOOKS[shape.hook]))
    end = ENDS[shape.end].text
    pieces = {
        "early": "" if shape.late else prepare,
        "late": prepare if shape.late else "",
        "work": WORK[shape.work].text,
        "end": "" if shape.after else end,
        "after": end if shape.after else "",
    }
    joins = WAYS[shape.way].calls == "current_job"
    opens = "contextlib.nullcontext(batchtel.current_job())" if joins else "batchtel.job('shape')"
    text = _WORK.replace("{opens}", opens)
    for name, piece in pieces.items():
        indent = "    " if name in ("early", "after") else "        "
        text = text.replace(f"{indent}{{{name}}}", textwrap.indent(piece.strip() or "pass", indent))
    return text


def command(shape: Shape, folder: Path, *, plain: bool) -> list[str]:
    """Return the arguments that start a shape, with batchtel in front of it or without."""
    python = [interpreter(shape.version), *OPTIONS[shape.options]]
    line = shlex.join([*python, "work.py"])
    values = {
        "{text}": (folder / "work.py").read_text(),
        "{runpy}": "import runpy; runpy.run_path('work.py', run_name='__main__')",
        "{exec}": f"exec {line}",
        "{wait}": f"{line}; exit $?",
    }
    arguments = [values.get(part, part) for part in STARTS[shape.start].split()]
    at = arguments.index("{python}") if "{python}" in arguments else len(arguments)
    arguments[at : at + 1] = python if at < len(arguments) else []
    fronts = {
        "instrument": [str(_PROGRAMS / "opentelemetry-instrument")],
        "run": [str(_PROGRAMS / "batchtel"), "run", "--job", "shape", "--"],
    }
    front = [] if plain else [part for name in WAYS[shape.way].front for part in fronts[name]]
    return [*front, *arguments]


def run(shape: Shape, folder: Path, sink: Sink | None) -> Left:
    """Run a shape to its end: recorded, or without a sink as if there were no batchtel."""
    # The sockets of multiprocessing have paths in there, which may be 107 bytes long.
    with tempfile.TemporaryDirectory() as temporary:
        variables = {
            "PYTHONPATH": packages(folder),
            "TMPDIR": temporary,
            "NO_COLOR": "1",
            "BATCHTEL_EXIT_TIMEOUT": "20",  # how busy the machine is, is another test
        }
        finished = subprocess.run(
            command(shape, folder, plain=sink is None),
            cwd=folder,
            env=environment(sink, {**variables, **({"BATCHTEL_JOB": "shape"} if sink else {"PLAIN": "1"})}),
            input=(folder / "work.py").read_bytes() if shape.start == "stdin" else b"",
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
        # A forkserver that is killed leaves a folder with a name of its own.
        left = sorted(path.name.partition("-")[0] for path in Path(temporary).rglob("*"))
    return Left(finished.returncode, _lines(finished.stdout), _lines(finished.stderr), left)


def _lines(output: bytes) -> list[str]:
    """Return the lines of an output, without what differs between processes: their numbers, and addresses."""
    text = re.sub(r"0x[0-9a-f]+|/mp-\w+|pid=\d+|(?<=: )\d+ (Killed|Aborted|Terminated)", "N", output.decode())
    return sorted(text.split("\n"))
