"""Look for the canary in the stores."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import urllib3

from batchtel_dashboards.stores import Logs, Prometheus, Traces, Wanted
from batchtel_dashboards.stores.errors import StoreError
from batchtel_stack.doctor.canary import JOB, Canary
from batchtel_stack.doctor.finding import Finding
from batchtel_stack.stores import Stores

_COMPLETIONS: Final = f'batch_job_completions_total{{job_name=~"{JOB}|other",status="success"}}'

Totals = Mapping[tuple[tuple[str, str], ...], float]
"""Labels of a series -> its value."""


def answers(stores: Stores) -> Iterator[Finding]:
    """Yield whether each store answers queries."""
    now, nothing = time.time(), Wanted("batchtel")
    yield _answer(stores.prometheus.product, lambda: stores.prometheus.query("vector(1)"))
    for logs in stores.logs:
        yield _answer(logs.product, partial(logs.records, nothing, now - 1, now))
    for traces in stores.traces:
        # Not by a trace id: any server answers 404 to an unknown one.
        yield _answer(traces.product, partial(traces.find, nothing, now - 1, now))


def totals(prometheus: Prometheus) -> Totals:
    """Return the canary's series in Prometheus; none if Prometheus does not answer."""
    try:
        return {tuple(sorted(row.labels.items())): row.value for row in prometheus.query(_COMPLETIONS)}
    except StoreError:
        return {}


def _answer(name: str, query: Callable[[], object]) -> Finding:
    try:
        query()
    except StoreError as error:
        here = "" if name in ("Loki", "Tempo") else " (here: batchtel stack up)"
        fix = f"start it{here}, or name its address: --{name.lower()} URL"
        return Finding(name, "unreachable", str(error).removesuffix(" Is it running? batchtel stack status"), fix)
    return Finding(name, "ok", "answers queries")


@dataclass(frozen=True)
class Search:
    """A canary that was sent, the stores that answer, and what Prometheus had before."""

    canary: Canary
    stores: Stores
    before: Totals

    def in_metrics(self) -> str:
        """Return what Prometheus has of it, "" if nothing yet."""
        now = totals(self.stores.prometheus)
        grown = [labels for labels, value in now.items() if value > self.before.get(labels, 0)]
        if not grown:
            return ""
        named = any(("job_name", JOB) in labels for labels in grown)
        return "its completion is counted" + ("" if named else ', under job_name="other" (unknown_jobs: other)')

    def in_logs(self, logs: Logs) -> str:
        """Return what a store of logs has of it, "" if not all yet."""
        wanted = Wanted(JOB, run_id=self.canary.run_id)
        records = logs.records(wanted, self.canary.since - 3600, time.time() + 60)
        events = {record.fields.get("event_name") for record in records}
        whole = {"batch.run.started", "batch.run.finished"} <= events
        return f"{len(records)} log records of the run" if whole else ""

    def in_traces(self, traces: Traces) -> str:
        """Return what a store of traces has of it, "" if not all yet."""
        names = {span.name for span in traces.trace(self.canary.trace_id)}
        return "the spans of job and step" if {f"batch_job.{JOB}", "batch_step.look"} <= names else ""

    def find(self, answering: set[str], seconds: float, notify: Callable[[str], None]) -> Iterator[Finding]:
        """Query the stores that answer until each has the canary, at most `seconds` in all."""
        deadline, began = time.monotonic() + seconds, time.monotonic()
        waiting: dict[str, Callable[[], str]] = {self.stores.prometheus.product: self.in_metrics}
        waiting |= {logs.product: partial(self.in_logs, logs) for logs in self.stores.logs}
        waiting |= {traces.product: partial(self.in_traces, traces) for traces in self.stores.traces}
        for name in [name for name in waiting if name not in answering]:
            del waiting[name]
            yield Finding(f"run in {name}", "skipped", f"not looked for: {name} does not answer")
        while waiting and time.monotonic() < deadline:
            notify(f"waiting for the canary in {', '.join(waiting)}")
            for name, look in list(waiting.items()):
                try:
                    found = look()
                except StoreError:
                    continue
                if found:
                    del waiting[name]
                    yield Finding(f"run in {name}", "ok", f"{found}, {time.monotonic() - began:.1f} s after its end")
            time.sleep(0.2)
        for name in waiting:
            yield Finding(f"run in {name}", "wrong", f"not there after {seconds:g} s", self._fix(name))

    def _fix(self, name: str) -> str:
        if name == self.stores.prometheus.product and _refuses_remote_write(self.stores.prometheus.url):
            return "start Prometheus with --web.enable-remote-write-receiver"
        log = "read the collector's log (here: batchtel stack logs collector)"
        if self.canary.stderr:
            return f"the run printed: {self.canary.stderr.splitlines()[-1][:300]}; {log}"
        return f"{log}: does it send to this {name}? batchtel config environments NAME"


def _refuses_remote_write(url: str) -> bool:
    try:
        answer = urllib3.request("POST", f"{url}/api/v1/write", body=b"", timeout=5.0, retries=False)
    except urllib3.exceptions.HTTPError:
        return False
    return answer.status == 404
