"""Compare what happened with what the stores contain."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from batchtel_dashboards import queries
from batchtel_stack.demo import ledger, quantities, waiting
from batchtel_stack.demo.quantities import Quantities
from batchtel_stack.demo.scenarios import SCENARIOS, Scenario
from batchtel_stack.demo.target import Target

SLACK_SECONDS: Final = 60.0
"""On top of three export intervals: for a busy machine."""


@dataclass(frozen=True)
class Row:
    """One quantity of one job: the value in the ledger, and in each store that has it."""

    job: str
    name: str
    expected: float
    observed: Mapping[str, float]

    @property
    def equal(self) -> bool:
        """Whether all values are equal."""
        return all(amount == self.expected for amount in self.observed.values())


@dataclass(frozen=True)
class Comparison:
    """A scenario, by job and quantity; `observed` is by product, and so is `not_asked`: quantities that it lacks."""

    scenario: Scenario
    expected: Quantities
    observed: Mapping[str, Quantities]
    not_asked: Mapping[str, tuple[str, ...]]

    @property
    def ok(self) -> bool:
        """Whether the jobs ran at all and every store agrees with them."""
        return bool(self.expected) and all(row.equal for row in self.rows())

    def rows(self) -> list[Row]:
        """Return every quantity of the ledger or of a store, job by job."""
        return [row for job in self._jobs() for row in self._rows_of(job)]

    def _jobs(self) -> list[str]:
        sources = [self.expected, *self.observed.values()]
        return list(dict.fromkeys(job for counts in sources for job in counts))

    def _rows_of(self, job: str) -> Iterable[Row]:
        expected = self.expected.get(job, {})
        observed = {store: counts.get(job, {}) for store, counts in self.observed.items()}
        for name in dict.fromkeys([*expected, *(name for counted in observed.values() for name in counted)]):
            values = {
                store: counted.get(name, 0.0)
                for store, counted in observed.items()
                if not name.startswith(self.not_asked[store])
            }
            yield Row(job, name, expected.get(name, 0.0), values)


class Witnesses:
    """The ledgers of the jobs in a folder, and the stores of a target, from a Unix time on."""

    def __init__(self, folder: Path, target: Target, since: float) -> None:
        self.stores, self.service = target.stores, target.service
        self.since = since - 60
        self._target = target
        self._ledger = folder
        self._export_interval = target.export_interval

    def run_ids(self, job: str | None = None) -> set[str]:
        """Return the run ids of all jobs, or of one, by the ledger."""
        return {line["run_id"] for line in ledger.read(self._ledger) if job in (None, line["job"])}

    def compare(self) -> list[Comparison]:
        """Query all stores and compare scenario by scenario; jobs that belong to none are a scenario of their own."""
        expected = quantities.by_ledger(ledger.read(self._ledger))
        ledger_ids, end = self.run_ids(), time.time() + 60
        prometheus = self.stores.prometheus
        observed = {prometheus.product: quantities.by_prometheus(prometheus, self.service, self._target.engine)}
        not_asked: dict[str, tuple[str, ...]] = {self.stores.prometheus.product: quantities.NOT_OF_METRICS}
        for logs in self.stores.logs:
            observed[logs.product] = quantities.by_logs(logs, self.service, ledger_ids, self.since, end)
            not_asked[logs.product] = quantities.NOT_OF_LOGS
        for traces in self.stores.traces:
            observed[traces.product] = quantities.by_traces(traces, self.service, ledger_ids, self.since, end)
            not_asked[traces.product] = quantities.NOT_OF_TRACES
        belonging = {job for scenario in SCENARIOS for job in scenario.jobs}
        strangers = {job for counts in (expected, *observed.values()) for job in counts} - belonging
        scenarios = [*SCENARIOS]
        if strangers:
            scenarios.append(Scenario("unknown", "jobs that the demo has not started", tuple(sorted(strangers))))
        return [
            Comparison(
                one, _only(expected, one), {name: _only(counts, one) for name, counts in observed.items()}, not_asked
            )
            for one in scenarios
        ]

    def settle(self) -> list[Comparison]:
        """Compare until all is equal, or until the time is over; then compare again two evaluations later."""
        deadline = time.monotonic() + 3 * self._export_interval + SLACK_SECONDS
        while True:
            compared = self.compare()
            if all(one.ok for one in compared):
                break
            if time.monotonic() > deadline:
                return compared
            time.sleep(0.5)
        self.wait_for_evaluation()
        return self.compare()

    def wait_for_evaluation(self) -> None:
        """Return after the rules have been evaluated on samples that were collected after this call."""
        first = self.stores.prometheus.value(queries.last_evaluation(self._target.engine))
        waiting.until(
            "two more evaluations of the rules",
            lambda: self.stores.prometheus.value(queries.last_evaluation(self._target.engine)),
            lambda last: last >= first + 2 * self._export_interval,
            5 * self._export_interval + SLACK_SECONDS,
            describe=lambda last: f"one at Unix time {last:.0f}, the first was {first:.0f}",
        )

    def number_of_series(self) -> int:
        """Return how many series the runs have."""
        return int(self.stores.prometheus.value(queries.number_of_series(self.service)))

    def series_with_run_id(self) -> int:
        """Return how many series have a label that contains the id of a run."""
        ids = self.run_ids()
        # In a shared Prometheus only the demo's own series: all of them may be too many to list.
        matcher = queries.of_service(self.service) if self._target.shared else queries.EVERYTHING
        series = self.stores.prometheus.series(matcher)
        return sum(any(run_id in text for text in labels.values() for run_id in ids) for labels in series)


def _only(counts: Quantities, scenario: Scenario) -> Quantities:
    return {job: counted for job, counted in counts.items() if job in scenario.jobs}
