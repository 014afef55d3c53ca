"""The command `batchtel config check`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from batchtel.cli.main import Failure
from batchtel_collector.check import collector_binary
from batchtel_collector.check.result import CheckResult, document
from batchtel_collector.cli.errors import WRONG_INPUT, as_failures
from batchtel_collector.cli.options import role_option
from batchtel_collector.environment.document import InvalidDocumentError
from batchtel_collector.environment.role_variants import variants


@click.command(
    epilog="Exit codes: 0 no problem; 1 a rendered configuration is wrong; 2 NAME, FILE or its overrides are wrong; "
    "3 there is no collector to check with."
)
@click.option(
    "--env",
    "environment",
    metavar="NAME|FILE",
    help="A shipped environment such as local, or a file such as ./production.yaml; all shipped ones if not given.",
)
@role_option
@click.option("--collector", type=click.Path(path_type=Path), metavar="FILE", help="The collector to check with.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@as_failures()
def check(environment: str | None, role: str | None, collector: Path | None, as_json: bool) -> None:
    """Check environments and their rendered configurations, in each of their roles.

    The file is validated, and the configuration is rendered. It must hold no secret. The expected jobs have to fit
    below the limit of series. A real collector validates the configuration. Without --collector that is the one
    built by `batchtel stack build`, else otelcol-batchtel, otelcol-contrib or otelcol on PATH. Nothing is started.

    \b
    Examples:
      batchtel config check                                    every shipped environment
      batchtel config check --env local
      batchtel config check --env ./production.yaml --collector /usr/bin/otelcol-contrib
      batchtel config check --env local --json
    """
    results: list[CheckResult] = []
    asked: Path | None = None
    for variant in variants(environment, role):
        try:
            loaded = variant.environment()
            asked = asked or _collector(collector)
            result = CheckResult.of(variant, loaded, asked)
        except InvalidDocumentError as wrong:
            result = CheckResult.of_file(variant, wrong)
        # What is wrong in every role is reported once.
        if not as_json and result.text not in [one.text for one in results]:
            _show(result)
        results.append(result)
    if as_json:
        click.echo(json.dumps(document(results, asked), indent=2))
    raise SystemExit(max(map(_exit_code, results)))


def _collector(named: Path | None) -> Path:
    # Absolute: of `./otelcol` a Path keeps `otelcol`, which would be looked for on PATH.
    found = collector_binary.find() if named is None else named.absolute() if named.exists() else named
    collector_binary.require(found)
    return found


def _show(result: CheckResult) -> None:
    """Print the text: on standard output if nothing is wrong, else as an error."""
    if result.ok:
        click.echo(result.text)
    else:
        Failure(result.text, _exit_code(result)).show()


def _exit_code(result: CheckResult) -> int:
    """Return 0 if nothing is wrong, 2 if a file is, 1 if what is rendered from it is."""
    if result.ok:
        return 0
    return 1 if result.file is None else WRONG_INPUT
