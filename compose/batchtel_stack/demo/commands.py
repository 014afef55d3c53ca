"""`batchtel demo`: real jobs on a stack of its own, and a comparison of the stores with what they did."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from batchtel.cli.main import INSTALL, Failure
from batchtel.cli.parameters import FilePath
from batchtel_stack import sigterm
from batchtel_stack.demo import airports, pages, report, target
from batchtel_stack.demo.play import EXPORT_INTERVAL, Outcome, play
from batchtel_stack.demo.target import Target
from batchtel_stack.failures import as_failures
from batchtel_stack.ports import Ports
from batchtel_stack.stack import Stack

INTERRUPTED: Final = 130
"""The exit code after Ctrl-C, as in shells: 128 + SIGINT."""


@click.command(
    epilog="Exit codes: 0 all agree; 1 one differs, or Prometheus lacks batchtel's rules; 2 the environment is wrong; "
    "3 a program or store cannot be reached; 130 Ctrl-C stopped it."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout, and nothing else there.")
@click.option("--keep", is_flag=True, help="Leave the stack and its data when done, and print how to look at it.")
@click.option(
    "--report",
    "report_file",
    type=FilePath(),
    metavar="FILE",
    help="Write the pages of the fleet and of its runs into one file, to look at without a stack.",
)
@click.option(
    "--env",
    "environment",
    metavar="NAME|FILE",
    help="Use the stores of this environment, which run already, instead of a stack of the demo's own.",
)
@as_failures()
def demo(as_json: bool, keep: bool, report_file: Path | None, environment: str | None) -> None:
    """Run real jobs and compare what arrived in the stores with what the jobs did.

    Ten processes fail at the same moment, 200 short runs finish, records are loaded, a failed run is retried, and a
    green job does nothing. Each job writes what it does into a ledger; then the ledger is compared with the stores of
    metrics, logs and traces. The stack uses free ports and a new folder, so it disturbs no other, and is removed at the
    end.

    With --env only a collector is started. It delivers to the stores that the environment names, such as your own Loki
    and Tempo, and they are compared in the same way. Its series stay in Prometheus until they expire there.

    \b
    Examples:
      batchtel demo
      batchtel demo --json | jq .ok
      batchtel demo --keep
      batchtel demo --report demo.html
      batchtel demo --env ./production.yaml
    """
    if keep and environment is not None:
        raise Failure("--keep leaves a stack of the demo's own, and --env starts none; leave one of them out", 2)
    if not airports.installed():
        package = airports.PACKAGE
        raise Failure(f"`batchtel demo` needs the data of the package {package}, which is missing: {INSTALL}", 2)
    if report_file is not None:
        pages.require_writable(report_file)
    if environment is not None:
        target.require_askable(environment)
    notify = _notifier()
    folder = Path(tempfile.mkdtemp(prefix="batchtel-demo-"))
    remove = not keep
    try:
        with sigterm.as_interrupt(), _target(environment, folder, keep, notify) as aimed:
            outcome = play(aimed, folder, notify)
            _print(outcome, as_json)
            if report_file is not None:
                pages.write(report_file, aimed)
                notify(f"the report: {report_file}")
        if not outcome.ok and not keep:
            remove = False
            notify(f"the ledger of the jobs, and the stores' data: {folder}")
        if outcome.ok and not keep and environment is None:
            notify("look at all of this in a browser: batchtel demo --keep, then open the address that it prints")
    except KeyboardInterrupt:
        remove = True
        notify("interrupted; everything that was started is stopped")
        sys.exit(INTERRUPTED)
    except Exception:
        remove = False
        notify(f"logs and data: {folder}")
        raise
    finally:
        if remove:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if outcome.ok else 1)


@contextmanager
def _target(environment: str | None, folder: Path, keep: bool, notify: Callable[[str], None]) -> Iterator[Target]:
    if environment is None:
        with _stack(folder, keep, notify) as stack:
            yield Target.own(stack, EXPORT_INTERVAL)
            # Rules are evaluated every export interval, and the stores have settled for two.
            for line in report.alerts(stack.stores.prometheus.firing()):
                notify(line)
            if keep:
                _print_addresses(stack, notify)
        return
    service = target.unique_service()
    notify(f"a collector of its own for the stores of {environment}; its jobs have the service name {service}")
    with Stack.running(
        folder / "stack",
        Ports.free(),
        environment=environment,
        overrides=target.overrides(service),
        only_collector=True,
        notify=notify,
    ) as stack:
        yield Target.of(stack, service)


@contextmanager
def _stack(folder: Path, keep: bool, notify: Callable[[str], None]) -> Iterator[Stack]:
    notify(f"a stack of its own in {folder}, export interval {EXPORT_INTERVAL} s instead of 15, to shorten the wait")
    data, ports, export_interval = folder / "stack", Ports.free(), f"{EXPORT_INTERVAL}s"
    if not keep:
        with Stack.running(data, ports, export_interval=export_interval, notify=notify) as stack:
            yield stack
        return
    stack = Stack(data, ports, export_interval=export_interval, ui=True)
    try:
        stack.start(notify=notify)
        yield stack
    except BaseException:
        stack.stop()
        raise


def _print(outcome: Outcome, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(report.document(outcome), indent=2))
    else:
        console = Console()
        report.show(outcome, console)
        console.print(report.verdict(outcome), style="bold green" if outcome.ok else "bold red", highlight=False)


def _print_addresses(stack: Stack, notify: Callable[[str], None]) -> None:
    notify(
        f"the stack runs on: Prometheus {stack.prometheus}, Alertmanager {stack.alertmanager}, "
        f"VictoriaLogs {stack.victorialogs}, Jaeger {stack.jaeger}"
    )
    notify(f"open:        {stack.ui}")
    notify(f"its status:  batchtel stack status --data {stack.data}")
    notify(f"stop it:     batchtel stack down --data {stack.data}")


def _notifier() -> Callable[[str], None]:
    console = Console(stderr=True, highlight=False)
    begun = time.monotonic()

    def notify(line: str) -> None:
        console.print(f"{time.monotonic() - begun:6.1f} s  {line}", soft_wrap=True, markup=False)

    return notify
