"""A collector that is killed again and again under many writers: nothing is lost, and nothing is added twice.

`make test-crash` runs 200 kills; `make test` 5. The moments of the kills follow from BATCHTEL_CRASH_SEED.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from batchtel_dashboards import queries
from tests.pipeline import writers
from tests.pipeline.bench import Collector, Listen
from tests.pipeline.conftest import Prometheus
from tests.pipeline.swallowing import proxy
from tests.support import file_sink, otlp
from tests.support.polling import until

ROUNDS = int(os.environ.get("BATCHTEL_CRASH_ROUNDS", "5"))
SEED = int(os.environ.get("BATCHTEL_CRASH_SEED", "1"))
WRITERS = 50
JOBS = 10
"""Jobs that are born in each round, so that kills meet the first sample of a series."""

NAMESPACE = "crash"


class Fleet:
    """Writers that each send one run after the other, and repeat a request until it is acknowledged.

    Attributes:
        acknowledged: job -> runs.
        failures: what no repetition could cure.
    """

    def __init__(self, port: int) -> None:
        self.acknowledged: Counter[str] = Counter()
        self.failures: list[str] = []
        self.round = 0
        self._port = port
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(WRITERS)]

    def __enter__(self) -> Fleet:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def end(self) -> None:
        """Return when each writer has the acknowledgement of its last run."""
        self.__exit__()

    def _write(self, number: int) -> None:
        run = 0
        while not self._ended.is_set():
            job = f"round_{self.round}_job_{(number + run) % JOBS}"
            body = writers.one_run(NAMESPACE, job, f"{number}-{run}")
            deadline = time.monotonic() + 60
            while not self._is_acknowledged(body):
                if time.monotonic() > deadline:
                    self.failures.append(f"writer {number} has no acknowledgement of run {run} within 60 s")
                    return
                time.sleep(0.02)
            with self._lock:
                self.acknowledged[job] += 1
            run += 1

    def _is_acknowledged(self, body: bytes) -> bool:
        try:
            with closing(otlp.Sender(self._port)) as sender:
                return sender.send("/v1/metrics", body, otlp.PROTOBUF)[0] == 200
        except OSError:
            return False


def _counts(prometheus: Prometheus) -> dict[str, Mapping[str, float]]:
    """Return what each way to read it finds, by job."""
    own = {"job": f"{NAMESPACE}/etl"}
    series = f'{{job="{NAMESPACE}/etl"}}[1h]'
    bucket = f'{{job="{NAMESPACE}/etl", le="5"}}[1h]'
    by = ("job_name",)
    expressions = {
        "total": f"sum by (job_name) (last_over_time(batch_job_completions_total{series}))",
        "total of the histogram": f"sum by (job_name) (last_over_time(batch_job_duration_seconds_count{series}))",
        "bucket": f"sum by (job_name) (last_over_time(batch_job_duration_seconds_bucket{bucket}))",
        "half of the sum": f"sum by (job_name) (last_over_time(batch_job_duration_seconds_sum{series})) / 2",
        "increase": queries.added("batch.job.completions", "1h", by=by, labels=own),
        "increase of the histogram": queries.added("batch.job.duration", "1h", by=by, labels=own),
    }
    return {name: prometheus.values(expression, "job_name") for name, expression in expressions.items()}


@pytest.mark.timeout(120 + 15 * ROUNDS)
def test_kills_under_load(
    collector_program: Path,
    tmp_path: Path,
    free_ports: Callable[[int], list[int]],
    detail_sink: file_sink.Sink,
    prometheus: Prometheus,
    pytestconfig: pytest.Config,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """50 writers, every third response swallowed, kill -9 at random moments: each run is in Prometheus exactly once."""
    moments = random.Random(SEED)
    collector = Collector(collector_program, tmp_path, Listen(*free_ports(5)), detail_sink, prometheus.write)
    configuration = collector.rendered({})
    with ExitStack() as stack:
        fleet = stack.enter_context(Fleet(stack.enter_context(proxy(collector.listen.otlp_http))))
        for fleet.round in range(ROUNDS):
            with collector.running(configuration) as bench:
                time.sleep(moments.uniform(0.1, 2.5))
                bench.program.stop(signal.SIGKILL)
        with collector.running(configuration) as bench:
            fleet.end()
            assert fleet.failures == []
            assert sum(fleet.acknowledged.values()) > 20 * ROUNDS
            until(
                "all that was acknowledged in Prometheus",
                lambda: (
                    prometheus.values(f'batch_job_completions_total{{job="{NAMESPACE}/etl"}}', "job_name")
                    == fleet.acknowledged
                    or None
                ),
                60,
                lambda: _differing(_counts(prometheus), fleet.acknowledged) + bench.program.tail(),
            )
            assert _differing(_counts(prometheus), fleet.acknowledged) == ""
            # increase() counts the first value of a series from the zero before it, and sees no reset.
            births = f'min_over_time(batch_job_completions_total{{job="{NAMESPACE}/etl"}}[1h])'
            assert prometheus.values(births, "job_name") == dict.fromkeys(fleet.acknowledged, 0)
            resets = f'resets(batch_job_completions_total{{job="{NAMESPACE}/etl"}}[1h])'
            assert prometheus.values(resets, "job_name") == dict.fromkeys(fleet.acknowledged, 0)
            assert bench.telemetry().value("otelcol_processor_run_rollup_damaged") == 0
            repeated = bench.telemetry().value("otelcol_processor_run_rollup_duplicate")
    reporter = pytestconfig.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:  # there is none in a worker of pytest-xdist
        runs = sum(fleet.acknowledged.values())
        counted = f"{runs} runs of {len(fleet.acknowledged)} jobs acknowledged: lost 0, doubled 0"
        with capsys.disabled():
            reporter.write_line(f"\n{ROUNDS} kills, seed {SEED}, {counted}; {repeated:g} repeated since the last kill")


def _differing(counts: Mapping[str, Mapping[str, float]], expected: Mapping[str, float]) -> str:
    """Return what differs from the expected counts, at most five jobs of each way to read it."""
    found = []
    for name, by_job in counts.items():
        wrong = [job for job in expected.keys() | by_job if by_job.get(job) != expected.get(job)]
        lost = sum(max(0, expected.get(job, 0) - by_job.get(job, 0)) for job in wrong)
        doubled = sum(max(0, by_job.get(job, 0) - expected.get(job, 0)) for job in wrong)
        if wrong:
            first = {job: (expected.get(job), by_job.get(job)) for job in sorted(wrong)[:5]}
            found.append(f"{name}: lost {lost:g}, doubled {doubled:g}; (acknowledged, found) {first}\n")
    return "".join(found)
