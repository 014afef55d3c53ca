"""The command `batchtel doctor`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import click
from rich.console import Console

from batchtel.cli.parameters import Seconds
from batchtel.export.endpoint import GRPC
from batchtel_stack.cli.store_options import Place, of_stores
from batchtel_stack.doctor import clock, limits, reach, search, variables
from batchtel_stack.doctor.canary import JOB, Canary
from batchtel_stack.doctor.finding import Finding, exit_code
from batchtel_stack.failures import as_failures
from batchtel_stack.stores import Stores


@click.command(
    epilog="Exit codes: 0 the run is in every store; 1 something does not work as it should; 2 a variable or an "
    "option is wrong; 3 the endpoint or a store cannot be reached."
)
@of_stores
@click.option(
    "--timeout",
    "seconds",
    type=Seconds(1),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Longest wait for the run in the stores; at least two export intervals.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@as_failures()
def doctor(place: Place, seconds: float, as_json: bool) -> None:
    """Send a canary run through the configured endpoint and find it in the stores of metrics, logs and traces.

    The OTEL_* variables are those that jobs get: call it where a job would run, for example in its container. Each
    problem between the job and the stores is printed with a fix. The stores are those of `batchtel stack up`
    unless options name others.

    \b
    Examples:
      OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 batchtel doctor
      batchtel doctor --prometheus http://prometheus:9090 --loki http://loki:3100 --tempo http://tempo:3200
      batchtel doctor --env ./production.yaml
      batchtel doctor --timeout 120 --json
    """
    examination = Examination(place.stores, seconds)
    findings = []
    for finding in examination.findings():
        findings.append(finding)
        if not as_json:
            _print(finding)
    if as_json:
        click.echo(json.dumps(_document(examination, findings), indent=2))
    raise SystemExit(exit_code(findings))


class Examination:
    """All checks, in the order in which one explains the next."""

    def __init__(self, stores: Stores, seconds: float) -> None:
        self.canary: Canary | None = None
        self._stores = stores
        self._seconds = seconds
        self._shown = ""
        self._console = Console(stderr=True, highlight=False)

    def findings(self) -> Iterator[Finding]:
        """Yield each finding as soon as it exists."""
        endpoints, problems = variables.endpoints(os.environ)
        yield from problems
        yield from variables.discouraged(os.environ, recommended=not problems)
        self._notify("checking the endpoint")
        reached = list(reach.reach(endpoints))
        yield from reached
        answers = list(search.answers(self._stores))
        yield from answers
        urls = {answer.check: self._stores.urls[answer.check] for answer in answers if answer.ok}
        http = [endpoint.url for endpoint in endpoints if endpoint.protocol != GRPC]
        if http and all(finding.ok for finding in reached):
            yield from clock.compare({"the endpoint": http[0], **urls})
        else:
            yield from clock.compare(urls)
        if not reached or not any(finding.ok for finding in reached):
            yield Finding("canary", "skipped", "no run was sent: the endpoint does not accept it")
            return
        yield from self._send(set(urls))

    def _send(self, answering: set[str]) -> Iterator[Finding]:
        before = search.totals(self._stores.prometheus)
        discards = limits.Discards({name: url for name, url in self._stores.urls.items() if name in answering})
        self._notify("running the canary")
        self.canary = Canary.send()
        if self.canary.exit_code:
            last = self.canary.stderr.rpartition("\n")[2] or "nothing"
            message = f"its process ended with {self.canary.exit_code} and printed: {last[:300]}"
            yield Finding("canary", "wrong", message, "find out why jobs do not run here: python -c 'import batchtel'")
            return
        yield Finding("canary", "ok", f"run {self.canary.run_id} of job {JOB} has ended")
        looking = search.Search(self.canary, self._stores, before)
        found = []
        for finding in looking.find(answering, self._seconds, self._notify):
            found.append(finding)
            yield finding
        yield from discards.since()
        if self._stores.prometheus.product in answering and not all(finding.ok for finding in found):
            yield from limits.of_collector(self._stores.prometheus)

    def _notify(self, what: str) -> None:
        if what != self._shown:
            self._shown = what
            self._console.print(f"{what} ...", soft_wrap=True, markup=False)


def _print(finding: Finding) -> None:
    label = {"ok": "ok", "skipped": "-"}.get(finding.kind, "WRONG")
    click.echo(f"{label:<6} {finding.check}: {finding.message}")
    if finding.fix:
        click.echo(f"       fix: {finding.fix}")


def _document(examination: Examination, findings: list[Finding]) -> dict[str, Any]:
    canary = examination.canary
    sent = {"job": JOB, "run_id": canary.run_id, "trace_id": canary.trace_id} if canary else None
    return {
        "ok": all(finding.ok for finding in findings),
        "canary": sent,
        "findings": [finding.document() for finding in findings],
    }
