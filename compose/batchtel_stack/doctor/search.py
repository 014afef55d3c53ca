"""The canary in the three stores: what each must have of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import urllib3

from batchtel.command import Failure
from batchtel_dashboards import queries
from batchtel_stack.doctor.canary import JOB, Canary
from batchtel_stack.doctor.finding import Finding
from batchtel_stack.stores import Loki, Prometheus, Tempo

_COMPLETIONS: Final = f'batch_job_completions_total{{job_name=~"{JOB}|other",status="success"}}'

Totals = Mapping[tuple[tuple[str, str], ...], float]
"""Labels of a series -> its value."""


@dataclass(frozen=True)
class Stores:
    """Clients of the three stores."""

    prometheus: Prometheus
    loki: Loki
    tempo: Tempo

    def answer(self) -> Iterator[Finding]:
        """Yield whether each store answers questions."""
        for name, ask in (
            ("Prometheus", lambda: self.prometheus.query("vector(1)")),
            ("Loki", lambda: self.loki.records('{service_name="batchtel"}', time.time() - 1, time.time())),
            # Not a trace that is not there: any server says 404 to that.
            ("Tempo", lambda: self.tempo.search('{ name = "batchtel" }', time.time() - 1, time.time())),
        ):
            yield _asked(name, ask)

    def totals(self) -> Totals:
        """Return the canary's series in Prometheus; none when it does not answer."""
        try:
            return {tuple(sorted(row.labels.items())): row.value for row in self.prometheus.query(_COMPLETIONS)}
        except Failure:
            return {}


def _asked(name: str, ask: Callable[[], object]) -> Finding:
    try:
        ask()
    except Failure as failure:
        fix = f"start it (here: batchtel up), or name its address: --{name.lower()} URL"
        return Finding(name, "unreachable", failure.message.removesuffix(" Is it running? batchtel status"), fix)
    return Finding(name, "ok", "answers questions")


@dataclass(frozen=True)
class Search:
    """A canary that was sent, the stores that answer, and what Prometheus had before."""

    canary: Canary
    stores: Stores
    before: Totals

    def in_prometheus(self) -> str:
        """Return what was found of it, "" if nothing was yet."""
        grown = [labels for labels, value in self.stores.totals().items() if value > self.before.get(labels, 0)]
        if not grown:
            return ""
        named = any(("job_name", JOB) in labels for labels in grown)
        return "its completion is counted" + ("" if named else ', under job_name="other" (unknown_jobs: other)')

    def in_loki(self) -> str:
        """Return what was found of it, "" if not all of it was yet."""
        query = queries.events(JOB, run_id=self.canary.run_id)
        records = self.stores.loki.records(query, self.canary.since - 3600, time.time() + 60)
        events = {record.fields.get("event_name") for record in records}
        whole = {"batch.run.started", "batch.run.finished"} <= events
        return f"{len(records)} log records of the run" if whole else ""

    def in_tempo(self) -> str:
        """Return what was found of it, "" if not all of it was yet."""
        names = {span.name for span in self.stores.tempo.trace(self.canary.trace_id)}
        return "the spans of job and step" if {f"batch_job.{JOB}", "batch_step.look"} <= names else ""

    def find(self, answering: set[str], seconds: float, say: Callable[[str], None]) -> Iterator[Finding]:
        """Look into the stores that answer until each has the canary, at most `seconds` in all."""
        deadline, began = time.monotonic() + seconds, time.monotonic()
        waiting: dict[str, Callable[[], str]] = {"Prometheus": self.in_prometheus, "Loki": self.in_loki}
        waiting["Tempo"] = self.in_tempo
        for name in [name for name in waiting if name not in answering]:
            del waiting[name]
            yield Finding(f"run in {name}", "skipped", f"not looked for: {name} does not answer")
        while waiting and time.monotonic() < deadline:
            say(f"waiting for the canary in {', '.join(waiting)}")
            for name, look in list(waiting.items()):
                try:
                    found = look()
                except Failure:
                    continue
                if found:
                    del waiting[name]
                    yield Finding(f"run in {name}", "ok", f"{found}, {time.monotonic() - began:.1f} s after its end")
            time.sleep(0.2)
        for name in waiting:
            yield Finding(f"run in {name}", "wrong", f"not there after {seconds:g} s", self._fix(name))

    def _fix(self, name: str) -> str:
        if name == "Prometheus" and _refuses_remote_write(self.stores.prometheus.url):
            return "start Prometheus with --web.enable-remote-write-receiver"
        log = "read the collector's log (here: batchtel logs collector)"
        if self.canary.said:
            return f"the run said: {self.canary.said.splitlines()[-1][:300]}; {log}"
        return f"{log}: does it send to this {name}? batchtel environments show NAME"


def _refuses_remote_write(url: str) -> bool:
    try:
        answer = urllib3.request("POST", f"{url}/api/v1/write", body=b"", timeout=5.0, retries=False)
    except urllib3.exceptions.HTTPError:
        return False
    return answer.status == 404
