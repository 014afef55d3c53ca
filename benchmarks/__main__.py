"""The command: `python -m benchmarks [GROUP...]`."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from batchtel.version import __version__
from batchtel_stack import sigterm
from batchtel_stack.failures import as_failures
from benchmarks import airflow, build, calls, collector, command, guest, history, jobs, leave, rollup, stack, tiers
from benchmarks.report import Report

GROUPS: Final[dict[str, Callable[[Path, Callable[[str], None]], Report]]] = {
    "jobs": jobs.measure,
    "exit": leave.measure,
    "calls": calls.measure,
    "command": command.measure,
    "guest": guest.measure,
    "collector": collector.measure,
    "tiers": tiers.measure,
    "rollup": rollup.measure,
    "stack": stack.measure,
    "history": history.measure,
    "airflow": airflow.measure,
    "build": build.measure,
}
BY_DEFAULT: Final = tuple(group for group in GROUPS if group not in ("airflow", "build", "rollup"))
_FILE_WIDTH: Final = 140


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("groups", nargs=-1, type=click.Choice(list(GROUPS)))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
@as_failures()
def main(groups: tuple[str, ...], as_json: bool) -> None:
    """Print what telemetry costs, side by side with its peers, in interleaved pairs.

    \b
    Groups (without any: all but airflow, build and rollup):
      jobs       a short job: bare, with the plain SDK, with batchtel, with a Pushgateway    2 minutes
      exit       what a dead or a hanging collector costs a job at its end                   6 minutes
      calls      one records() and one step(), with the plain SDK, with prometheus_client    4 minutes
      command    how much later a command starts; a job with telemetry turned off            1 minute
      guest      heartbeat and redaction in a busy job, with and without                     7 minutes
      collector  points per CPU second and memory, by number of runs and of series          10 minutes
      tiers      points, spans, log records per CPU second of agent and gateway; up to 10,000 writers    5 minutes
      rollup     run_rollup beside the stock pipeline: CPU, acknowledgement, memory, recovery  20 minutes
      stack      memory of the local stack, idle and while the demo runs                     2 minutes
      history    batchtel runs over 30 days of 1,000 runs                                    2 minutes
      airflow    a DAG of 100 tasks with the plugin and without, collector up and hanging    8 minutes
      build      the first build of all programs, in caches of its own          13 minutes of CPU, 4 GB

    \b
    Examples:
      python -m benchmarks
      python -m benchmarks jobs exit
      python -m benchmarks collector --json > collector.json

    Figures depend on the machine and on what else it does; ratios much less. Goals are printed, never enforced.
    """
    # Installers compile what they install; without bytecode each start would compile batchtel again, 20 ms.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    console = Console(stderr=True, highlight=False)
    reports = [_measured(group, console) for group in dict.fromkeys(groups or BY_DEFAULT)]
    if as_json:
        print(json.dumps({"machine": _machine(), "groups": [report.document() for report in reports]}, indent=2))
        return
    result = Console(highlight=False)
    if not result.is_terminal:
        result.width = _FILE_WIDTH
    result.print(" ".join(f"{key}: {value}." for key, value in _machine().items()), soft_wrap=True)
    for report in reports:
        report.show(result)


def _measured(group: str, console: Console) -> Report:
    before = os.getloadavg()[0]
    with (
        sigterm.as_interrupt(),
        tempfile.TemporaryDirectory(prefix="batchtel-bench-") as folder,
        console.status(group) as status,
    ):

        def progress(text: str) -> None:
            status.update(f"{group}: {text}")
            if not console.is_terminal:
                console.print(f"{group}: {text}", soft_wrap=True, markup=False)

        report = GROUPS[group](Path(folder), progress)
    report.load = (before, os.getloadavg()[0])
    return report


def _machine() -> dict[str, str]:
    return {
        "batchtel": __version__,
        "Python": platform.python_version(),
        "kernel": f"{platform.system()} {platform.release()}",
        "CPUs": str(os.cpu_count()),
    }


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
