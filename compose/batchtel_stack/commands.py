"""The commands `batchtel stack up`, `status`, `logs`, `down` and `build`: the stack, with and without containers."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from rich.console import Console
from rich.table import Table

from batchtel.cli.main import Failure
from batchtel.cli.parameters import FilePath
from batchtel_collector.environment.load import load
from batchtel_stack import docker_compose, output, state
from batchtel_stack.binaries import BINARIES
from batchtel_stack.build import ensure
from batchtel_stack.cli import docker_options
from batchtel_stack.container_files import PROFILES
from batchtel_stack.failures import as_failures
from batchtel_stack.follow import follow
from batchtel_stack.ports import HOST, Ports
from batchtel_stack.programs import PROGRAMS, UI
from batchtel_stack.stack import Stack
from batchtel_stack.status import Status

_F = TypeVar("_F", bound=Callable[..., Any])

_CRASH_LINES: Final = 10

_INTERRUPTED: Final = 130
"""The exit code of what Ctrl-C has ended, as shells count: 128 + SIGINT."""


def default_data() -> Path:
    """Return `$XDG_STATE_HOME/batchtel/stack`, below `~/.local/state` when the variable is unset."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "batchtel" / "stack"


def _data(function: _F) -> _F:
    return click.option(
        "--data",
        type=FilePath(file_okay=False),
        default=default_data,
        metavar="FOLDER",
        show_default="~/.local/state/batchtel/stack",
        help="Folder of everything that the stack writes.",
    )(function)


def _notify(line: str) -> None:
    click.echo(line, err=True)


@click.command(
    epilog="Exit codes: 0 the stack runs; 2 wrong input, or the stack runs with other ports or another configuration; "
    "3 a program cannot be built or started.\n\n"
    f"\b\nPorts and their defaults, all on 127.0.0.1:\n{Ports.described()}"
)
@_data
@click.option(
    "--env",
    "environment",
    default="local",
    show_default=True,
    metavar="NAME|FILE",
    help="A shipped environment such as local, or a file such as ./production.yaml.",
)
@click.option(
    "--port", "ports", multiple=True, metavar="NAME=NUMBER", help="Another port; repeatable. Names are below."
)
@click.option("--docker", "in_containers", is_flag=True, help="Start them in containers, by compose.yaml.")
@click.option(
    "--profile",
    type=click.Choice(PROFILES),
    default=PROFILES[0],
    show_default=True,
    help="With --docker: Loki, Tempo and Grafana, or VictoriaLogs and Jaeger.",
)
@as_failures()
@click.pass_context
def up(
    context: click.Context, data: Path, environment: str, ports: tuple[str, ...], in_containers: bool, profile: str
) -> None:
    """Start collector, Prometheus, Alertmanager, VictoriaLogs, Jaeger and batchtel's own pages on loopback.

    The first call builds them, which needs 13 minutes of CPU time. They run until `batchtel stack down`.

    \b
    Examples:
      batchtel stack up
      batchtel stack up --port prometheus=19090 --port jaeger=26686
      batchtel stack up --data ./stack
      batchtel stack up --docker
      batchtel stack up --docker --profile apache
    """
    wanted = Ports().changed(ports)
    docker_options.require_fitting(context, in_containers)
    if in_containers:
        docker_compose.up(profile, wanted)
        otlp, pages = (docker_compose.published(name, wanted) for name in ("otlp_http", "ui"))
        _notify(f"send with:  export OTEL_EXPORTER_OTLP_ENDPOINT=http://{HOST}:{otlp}")
        _notify(f"look at it: http://{HOST}:{pages}")
        _notify(f"its status: {docker_compose.shown(profile)} ps")
        return
    # Before anything is built or compared: a mistyped name must not wait for a build.
    load(environment)
    stack = Stack(data, wanted, environment=environment, ui=True)
    states = {status.state for status in stack.status()}
    if states == {"running"}:
        _require_same_ports(stack, wanted)
        _require_same_configuration(stack)
        _notify(f"the stack in {stack.data} runs already")
    else:
        if "exited" in states:
            gone = [status.name for status in stack.status() if status.state == "exited"]
            have = "has" if len(gone) == 1 else "have"
            _notify(f"{', '.join(gone)} {have} ended since the last start; stopping the rest and starting all")
            stack.stop()
        stack.start(notify=_notify)
    _print_statuses(stack.status())
    _notify(f"send with:  export OTEL_EXPORTER_OTLP_ENDPOINT={stack.otlp_http}")
    _notify(f"look at it: {stack.ui}")


@click.command(epilog="Exit codes: 0 all programs run, or none was started; 1 a program has ended by itself.")
@_data
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@as_failures()
def status(data: Path, as_json: bool) -> None:
    """Show which programs of the stack run, and why one does not.

    \b
    Examples:
      batchtel stack status
      batchtel stack status --json
    """
    statuses = Stack(data).status()
    if as_json:
        click.echo(json.dumps([_plain(status) for status in statuses], indent=2))
    else:
        _print_statuses(statuses)
        for one in statuses:
            if one.state == "exited" and one.log is not None:
                _notify(f"\n{one.name} has ended by itself. Its last lines:\n{output.quoted(one.log, _CRASH_LINES)}")
        if any(one.state == "exited" for one in statuses):
            _notify(f"\nStart all again: batchtel stack up{_options(data)}")
    sys.exit(1 if any(one.state == "exited" for one in statuses) else 0)


@click.command(epilog="Exit codes: 0 ok; 2 there are no logs, because nothing was started.")
@_data
@click.argument("program", metavar="[PROGRAM]", required=False, type=click.Choice([*PROGRAMS, UI]))
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    metavar="COUNT",
    help="Lines per program.",
)
@click.option("--follow", "-f", "following", is_flag=True, help="Go on until Ctrl-C.")
@as_failures()
def logs(data: Path, program: str | None, lines: int, following: bool) -> None:
    """Show what the programs of the stack have logged, or PROGRAM alone.

    PROGRAM is prometheus, alertmanager, victorialogs, jaeger, collector or ui.

    \b
    Examples:
      batchtel stack logs
      batchtel stack logs collector -n 100
      batchtel stack logs jaeger --follow
    """
    names = [program] if program else [*PROGRAMS, UI]
    found = {name: output.path(data, name) for name in names if output.path(data, name).exists()}
    if not found:
        raise Failure(f"no logs in {data}: nothing was started there. Start it: batchtel stack up", 2)
    width = max(map(len, found)) if len(found) > 1 else 0
    ends = {name: path.stat().st_size for name, path in found.items()}
    for name, path in found.items():
        for line in output.tail(path, lines, ends[name]):
            click.echo(_labelled(name, line, width))
    if following:
        for name, line in follow(found, ends):
            click.echo(_labelled(name, line, width))


@click.command(epilog="Exit codes: 0 nothing runs; 3 a program does not stop.")
@_data
@click.option("--docker", "in_containers", is_flag=True, help="Stop the containers of `stack up --docker` instead.")
@as_failures()
@click.pass_context
def down(context: click.Context, data: Path, in_containers: bool) -> None:
    """Stop the stack and leave no process. The data stays.

    \b
    Examples:
      batchtel stack down
      batchtel stack down --data ./stack
      batchtel stack down --docker
    """
    if in_containers:
        docker_options.require_fitting(context, in_containers)
        docker_compose.down()
        return
    stopped = Stack(data).stop()
    _notify(f"stopped {', '.join(stopped)}" if stopped else f"nothing runs in {data}")


@click.command(
    epilog="Exit codes: 0 all are built; 2 a name is wrong; 3 a build failed, or there is no Go; 130 Ctrl-C stopped it."
)
@click.argument("names", metavar="[PROGRAM]...", nargs=-1, type=click.Choice([binary.name for binary in BINARIES]))
@as_failures()
def build(names: tuple[str, ...]) -> None:
    """Build the programs of the stack into the cache, and print NAME=PATH of each.

    Without PROGRAM, all: victorialogs, collector, prometheus, alertmanager and jaeger. `batchtel stack up`,
    `batchtel demo` and `batchtel config check` use what is built. Progress goes to standard error. An interrupted
    build continues at the next call.

    \b
    Examples:
      batchtel stack build
      batchtel stack build collector
    """
    try:
        paths = ensure(binary for binary in BINARIES if binary.name in names or not names)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    for program, path in paths.items():
        click.echo(f"{program}={path}")


def _options(data: Path) -> str:
    """Return the options of the `up` that has started a stack, without defaults."""
    saved = state.read(data)
    differ = [name for name in Ports.names() if saved and getattr(saved.ports, name) != getattr(Ports(), name)]
    folder = [] if data == default_data() else ["--data", str(data)]
    ports = [part for name in differ if saved for part in ("--port", f"{name}={getattr(saved.ports, name)}")]
    return "".join(f" {shlex.quote(part)}" for part in [*folder, *ports])


def _require_same_ports(stack: Stack, wanted: Ports) -> None:
    saved = state.read(stack.data)
    if saved is not None and saved.ports != wanted:
        differ = [name for name in Ports.names() if getattr(saved.ports, name) != getattr(wanted, name)]
        listed = ", ".join(f"{name} {getattr(saved.ports, name)} instead of {getattr(wanted, name)}" for name in differ)
        raise Failure(
            f"the stack in {stack.data} runs with other ports: {listed}. Stop it first: batchtel stack down", 2
        )


def _require_same_configuration(stack: Stack) -> None:
    if changed := stack.outdated():
        files = ", ".join(map(str, changed))
        raise Failure(
            f"the stack in {stack.data} runs with another configuration than the environment "
            f"{stack.options.environment} now gives: {files}. Stop it first: batchtel stack down",
            2,
        )


def _plain(status: Status) -> dict[str, Any]:
    content = dataclasses.asdict(status)
    return content | {"log": str(status.log) if status.log else None, "last_lines": list(status.last_lines)}


def _print_statuses(statuses: Sequence[Status]) -> None:
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="bold")
    for column in ("PROGRAM", "STATE", "PID", "URL", "UPTIME"):
        table.add_column(column, no_wrap=True)
    for one in statuses:
        uptime = "-" if one.uptime is None else f"{one.uptime // 3600}:{one.uptime // 60 % 60:02}:{one.uptime % 60:02}"
        table.add_row(one.name, one.state, str(one.pid or "-"), one.url or "-", uptime)
    Console(highlight=False).print(table)


def _labelled(name: str, line: str, width: int) -> str:
    return f"{name:<{width}} | {line}" if width else line
