"""How a program ends below `opentelemetry-instrument`, on every Python: no failure is recorded as success."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.instrumentation.ways_in.command import PROGRAMS, call
from tests.support.interpreters import VERSIONS, interpreter, packages
from tests.support.sink import Sink

SUCCESS = ("success", None, None)
VALUE_ERROR = ("failure", "ValueError", None)


def exit_code(code: int) -> tuple[str, str, int]:
    """Return what is recorded of a program that ends by SystemExit with `code`."""
    return "failure", "SystemExit", code


FAIL = "raise ValueError('no rows')"
HOOKS = {
    # a program: its exit code, and status, error type and exit code that are recorded
    f"import logging, sys; sys.excepthook = lambda *e: logging.critical('uncaught', exc_info=e); {FAIL}": (
        1,
        VALUE_ERROR,
    ),
    f"import sys; sys.excepthook = lambda *e: None; {FAIL}": (1, VALUE_ERROR),
    f"import sys; sys.excepthook = lambda *e: 1 / 0; {FAIL}": (1, VALUE_ERROR),
    f"import sys; sys.excepthook = None; {FAIL}": (1, VALUE_ERROR),
    f"import sys; del sys.excepthook; {FAIL}": (1, VALUE_ERROR),
    f"import sys; sys.excepthook = lambda *e: sys.exit(7); {FAIL}": (7, ("failure", "ValueError", 7)),
    f"import sys; sys.excepthook = lambda *e: sys.exit(0); {FAIL}": (0, ("failure", "ValueError", 0)),
    f"import sys; sys.excepthook = lambda k, e, t: e.with_traceback(None); {FAIL}": (1, VALUE_ERROR),
    f"def main():\n import sys\n sys.excepthook = lambda *e: None\n {FAIL}\nmain()": (1, VALUE_ERROR),
    f"import rich.traceback; rich.traceback.install(); {FAIL}": (1, VALUE_ERROR),
    "import click\n@click.command()\n@click.argument('day')\ndef main(day): ...\nmain()": (2, exit_code(2)),
    "import sys\ntry:\n sys.exit(3)\nexcept SystemExit:\n raise ValueError('later')": (1, VALUE_ERROR),
    "async def main():\n raise ValueError('no rows')\nimport asyncio; asyncio.run(main())": (1, VALUE_ERROR),
    f"import sys; sys.excepthook = lambda *e: None; exec({FAIL!r})": (1, VALUE_ERROR),
    "class Odd(BaseException): ...\nraise Odd": (1, ("failure", "Odd", None)),
    # Set by whoever has caught it, for a debugger.
    f"import code; code.InteractiveInterpreter().runsource({FAIL!r})": (0, SUCCESS),
    "import pytest, sys; assert pytest.main(['-q', '-p', 'no:cacheprovider', 'test_bad.py']) == 1": (0, SUCCESS),
    # Ends a thread, an exit handler or a callback, and not the program.
    "import threading; t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()": (0, SUCCESS),
    "import sys, threading; t = threading.Thread(target=sys.exit, args=(3,)); t.start(); t.join()": (0, SUCCESS),
    "import atexit; atexit.register(lambda: 1 / 0)": (0, SUCCESS),
    "import atexit, sys; atexit.register(sys.exit, 3)": (0, SUCCESS),
}

TYPER = {
    "import typer\napp = typer.Typer()\n@app.command()\ndef main():\n raise ValueError('no rows')\napp()": (
        1,
        VALUE_ERROR,
    ),
    "import typer\ndef main():\n raise typer.Exit(4)\ntyper.run(main)": (4, exit_code(4)),
}
"""For this Python only: typer imports pydantic, which is compiled for it."""

EXITS = {
    "exit(3)": (3, exit_code(3)),
    "quit(4)": (4, exit_code(4)),
    "raise SystemExit(3)": (3, exit_code(3)),
    "def main():\n return 3\nraise SystemExit(main())": (3, exit_code(3)),
    "class Own(SystemExit): ...\nraise Own(6)": (6, exit_code(6)),
    "error = SystemExit()\nerror.code = 8\nraise error": (8, exit_code(8)),
    "raise SystemExit": (0, ("success", None, 0)),
    "import sys; sys.exit(True)": (1, exit_code(1)),
    "import sys; sys.exit(ValueError('as text'))": (1, exit_code(1)),
    "import sys; sys.exit(('as', 'text'))": (1, exit_code(1)),
    "import sys; sys.exit(2**64)": (255, exit_code(255)),
    "import sys; sys.exit(256)": (0, ("success", None, 0)),
    "try:\n raise SystemExit(3)\nexcept SystemExit as kept:\n error = kept\nassert error.code == 3": (0, SUCCESS),
    "import runpy; runpy.run_path('exits.py', run_name='__main__')": (9, exit_code(9)),
    "import runpy; runpy.run_module('exits', run_name='__main__')": (9, exit_code(9)),
    "import runpy\ntry:\n runpy.run_path('exits.py', run_name='__main__')\nexcept SystemExit: ...": (0, SUCCESS),
    "import os, sys\nif os.fork() == 0: sys.exit(3)\nos.wait()": (0, SUCCESS),
    "print('lost'); import sys; sys.stdout = open('/dev/full', 'w'); print('lost')": (
        120,
        ("failure", "OSError", 120),
    ),
}

WAYS = {
    # arguments of Python, in a folder as `files` makes it
    "exits.py": (9, exit_code(9)),
    "-m exits": (9, exit_code(9)),
    "-m package": (9, exit_code(9)),
    "-m raises": (1, VALUE_ERROR),
    "package": (9, exit_code(9)),
    "program.pyz": (9, exit_code(9)),
    "-m runpy exits": (9, exit_code(9)),
    "-m pytest -q -p no:cacheprovider test_bad.py": (1, exit_code(1)),
    "-m pytest -q -p no:cacheprovider test_none.py": (4, exit_code(4)),
    "-m pytest -q -p no:cacheprovider test_good.py": (0, ("success", None, 0)),
    "-m unittest -q test_bad": (1, exit_code(1)),
    "-m unittest -q test_good": (0, ("success", None, 0)),
    "-m timeit -n1 -r1 raise(ValueError)": (1, exit_code(1)),
    # Programs that never start.
    "missing.py": (2, ("failure", "FileNotFoundError", 2)),
    "no/folder/missing.py --option": (2, ("failure", "FileNotFoundError", 2)),
    "exits.py/missing.py": (2, ("failure", "NotADirectoryError", 2)),
    "-m missing": (1, exit_code(1)),
    "-m package.missing": (1, exit_code(1)),
    "-m empty": (1, exit_code(1)),
    "empty": (1, exit_code(1)),
    "empty.pyz": (1, exit_code(1)),
    "syntax.py": (1, ("failure", "SyntaxError", None)),
    "-m syntax": (1, ("failure", "SyntaxError", None)),
    "-c x=": (1, ("failure", "SyntaxError", None)),
    "encoding.py": (1, ("failure", "SyntaxError", None)),
    "imports.py": (1, ("failure", "ModuleNotFoundError", None)),
    "-m imports": (1, ("failure", "ModuleNotFoundError", None)),
    "-m broken": (1, VALUE_ERROR),
}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with programs of every layout."""
    exits = "import sys; sys.exit(9)\n"
    texts = {
        "exits.py": exits,
        "raises.py": f"import sys; sys.excepthook = print\n{FAIL}\n",
        "package/__init__.py": "",
        "package/__main__.py": exits,
        "empty/__init__.py": "",
        "broken/__init__.py": FAIL,
        "broken/__main__.py": "",
        "syntax.py": "x =\n",
        "imports.py": "import no_such_module\n",
        "test_bad.py": "import unittest\nclass Test(unittest.TestCase):\n def test(self):\n  assert False\n",
        "test_good.py": "import unittest\nclass Test(unittest.TestCase):\n def test(self): ...\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "encoding.py").write_bytes(b"# coding: no-such-encoding\n")
    for name, member in (("program.pyz", "__main__.py"), ("empty.pyz", "other.py")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(member, exits)
    return tmp_path


WATCH = """
import atexit, json, os
from batchtel.auto.program_end import ProgramEnd

def finish(end, process):
    if os.getpid() == process:
        outcome = end.outcome()
        end.stop()
        with open(os.environ["OUTCOME"], "x") as file:
            json.dump([outcome.status, outcome.error_type or None, outcome.exit_code], file)

atexit.register(finish, ProgramEnd(), os.getpid())
"""
"""What the instrumentation does at the start and the end of a program, without an export, which lasts a second."""


@dataclass(frozen=True)
class Ended:
    """How a program ended, plain and watched, and what is to be recorded of it."""

    plain: tuple[int, str, str]
    watched: tuple[int, str, str]
    outcome: tuple[Any, ...] | None


def end(python: str, arguments: list[str], folder: Path, number: int) -> Ended:
    """Run a program plain and watched."""
    file = folder / f"outcome{number}.json"
    variables = {"PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1", "COLUMNS": "100", "OUTCOME": str(file)}
    results = []
    for path in (packages(folder), packages(folder / "watch", folder)):
        finished = call([python, *arguments], None, {**variables, "PYTHONPATH": path}, cwd=folder)
        results.append((finished.returncode, _comparable(finished.stdout), _comparable(finished.stderr)))
    return Ended(results[0], results[1], tuple(json.loads(file.read_text())) if file.exists() else None)


def _comparable(output: bytes) -> str:
    """Return what a program wrote, without addresses and durations."""
    lines = output.decode().split("\n")
    return "\n".join(line.partition(" at 0x")[0] for line in lines if not re.search(r" in \d+\.\d+s", line))


def _is_as_plain(found: Ended) -> bool:
    """Whether a program ends watched as it does plain.

    CPython 3.13.0 keeps the OverflowError of `sys.exit(2**64)` set, and prints whatever fails by it while it ends: with
    anything at all in `sitecustomize` that is something else.
    """
    is_faulty = found.plain[2].startswith("Exception ignored on threading shutdown:\nOverflowError")
    compared = slice(2) if is_faulty else slice(3)
    return found.watched[compared] == found.plain[compared]


def compare(python: str, programs: dict[str, tuple[list[str], Any]], folder: Path) -> None:
    """Assert for all programs, two at a time, that they end as without us and that the right outcome is found."""
    (folder / "watch").mkdir()
    (folder / "watch" / "sitecustomize.py").write_text(WATCH)
    with ThreadPoolExecutor(2) as pool:
        running = {
            name: pool.submit(end, python, arguments, folder, number)
            for number, (name, (arguments, _)) in enumerate(programs.items())
        }
    ended = {name: future.result() for name, future in running.items()}
    expected = {name: expected for name, (_, expected) in programs.items()}
    assert {name: (found.plain[0], found.outcome) for name, found in ended.items()} == expected
    assert {name: found for name, found in ended.items() if not _is_as_plain(found)} == {}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.compatible(
    "Ends",
    "an uncaught exception, with any `sys.excepthook` or none",
    "failure, with the type of the exception",
)
def test_an_uncaught_exception_is_a_failure_whatever_hook_is_there(files: Path, version: str) -> None:
    """Whoever has replaced `sys.excepthook`, and whatever the hook does; an exception that was caught is none."""
    hooks = HOOKS | (TYPER if interpreter(version) == sys.executable else {})
    programs = {text: (["-c", text], expected) for text, expected in hooks.items()}
    if version < "3.13":
        show = "sys.excepthook = cgitb.Hook(format='text', file=open('/dev/null', 'w'))"
        text = f"import warnings; warnings.simplefilter('ignore'); import cgitb, sys; {show}; {FAIL}"
        programs[text] = (["-c", text], (1, VALUE_ERROR))
    compare(interpreter(version), programs, files)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.compatible(
    "Ends",
    "`exit()`, `raise SystemExit`, subclasses of it, output that cannot be written",
    "failure for every code but 0, with the code",
)
def test_every_exit_code_is_found(files: Path, version: str) -> None:
    """Whoever raises SystemExit, in whichever form, and whatever becomes of it until the program ends."""
    programs: dict[str, tuple[list[str], Any]] = {}
    for number, (text, expected) in enumerate(EXITS.items()):
        (files / f"exit{number}.py").write_text(text)
        programs[text] = ([f"exit{number}.py"], expected)
    compare(interpreter(version), programs, files)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.compatible(
    "Processes",
    "a script, `-c`, `-m` module and package, a folder, a zip archive, runpy, pytest, unittest",
    "status and exit code of the program; one that never starts is a failure",
)
def test_every_way_to_start_a_program(files: Path, version: str) -> None:
    """Below `-m`, in a folder or an archive, by pytest and unittest; a program that never starts has failed."""
    compare(interpreter(version), {way: (way.split(), expected) for way, expected in WAYS.items()}, files)


@pytest.mark.parametrize("version", VERSIONS)
def test_failures_are_recorded(sink: Sink, files: Path, version: str) -> None:
    """The same below `opentelemetry-instrument`: what is found is what is recorded."""
    arguments = {
        "hook": ["-c", next(iter(HOOKS))],
        "code": ["-c", "raise SystemExit(3)"],
        "module": ["-m", "exits"],
        "missing": ["missing.py"],
    }
    for job, parts in arguments.items():
        command = [str(PROGRAMS / "opentelemetry-instrument"), interpreter(version), *parts]
        call(command, sink, {"PYTHONPATH": packages(), "BATCHTEL_JOB": job}, cwd=files)
    recorded = {
        event.attributes["batch.job.name"]: (
            event.attributes["batch.status"],
            event.attributes["error.type"],
            event.attributes.get("process.exit.code"),
        )
        for event in sink.events("batch.run.finished")
    }
    assert recorded == {
        "hook": VALUE_ERROR,
        "code": exit_code(3),
        "module": exit_code(9),
        "missing": ("failure", "FileNotFoundError", 2),
    }
