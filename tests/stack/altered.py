"""A real stack whose stores have other limits than those that batchtel ships."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from batchtel_stack import binaries
from batchtel_stack.ports import Ports
from batchtel_stack.programs import Options, programs
from batchtel_stack.stack import Stack
from tests.pipeline.program import Program


@contextmanager
def altered(
    folder: Path, changes: Mapping[str, tuple[str, str]], overrides: Mapping[str, object] | None = None
) -> Iterator[Stack]:
    """Run collector, Prometheus, Loki and Tempo; the returned Stack has their addresses.

    Args:
        folder: everything that they write.
        changes: program -> a text of its configuration, and what stands there instead.
        overrides: more settings of the environment.
    """
    ports = Ports.free()
    options = Options(folder, ports, cadence="1s", overrides=dict(overrides or {}))
    with ExitStack() as running:
        for program in programs(options, 0):
            for file, text in program.files.items():
                old, new = changes.get(program.name, ("", ""))
                assert old in text, f"{program.name}'s configuration has no {old!r}"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text.replace(old, new) if old else text, encoding="utf-8")
            command: list[str | Path] = [binaries.find(program.name), *program.arguments]
            log = folder / f"{program.name}.log"
            started = running.enter_context(Program(command, log, program.ready, dict(program.variables)))
            if program.name == "tempo":
                # After a query it does not end by SIGTERM within a minute; see batchtel_stack.stack.
                running.callback(started.stop, signal.SIGKILL)
        yield Stack(folder, ports)
