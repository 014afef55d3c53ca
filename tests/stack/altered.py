"""A real stack whose stores have other limits than those that batchtel ships."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from batchtel_stack import binaries
from batchtel_stack.ports import Ports
from batchtel_stack.programs import Options, programs
from batchtel_stack.stack import Stack
from tests.support.program import Program


class Altered(Stack):
    """A stack whose programs a test can stop, and start again, by itself."""

    programs: dict[str, Program]


@contextmanager
def altered(
    folder: Path,
    overrides: Mapping[str, object] | None = None,
    arguments: Mapping[str, tuple[str, str]] | None = None,
    *,
    written: Callable[[Path, str], str] = lambda file, text: text,
    query_lookback_delta: str | None = None,
) -> Iterator[Altered]:
    """Run the programs of a stack.

    Args:
        folder: everything that they write.
        overrides: more settings of the environment.
        arguments: program -> one of its arguments, and what stands there instead.
        written: what a configuration file contains, by its path and what it would contain.
        query_lookback_delta: Prometheus' flag of that name.
    """
    ports = Ports.free()
    options = Options(
        folder,
        ports,
        export_interval="1s",
        query_lookback_delta=query_lookback_delta,
        overrides=dict(overrides or {}),
    )
    stack = Altered(folder, ports)
    stack.programs = {}
    with ExitStack() as running:
        for program in programs(options, 0):
            for file, text in program.files.items():
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(written(file, text), encoding="utf-8")
            old, new = (arguments or {}).get(program.name, ("", ""))
            assert not old or old in program.arguments, f"{program.name} has no argument {old!r}"
            own = [new if argument == old else argument for argument in program.arguments]
            command: list[str | Path] = [binaries.find(program.name), *own]
            log = folder / f"{program.name}.log"
            started = Program(command, log, program.ready, dict(program.variables))
            stack.programs[program.name] = running.enter_context(started)
        yield stack
