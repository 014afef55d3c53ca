"""Each failure of a job or of the collector drives its alert to the webhook of a real Alertmanager, and back.

Minutes are seconds in the rules, in Prometheus' lookback and in Alertmanager's waits: everything is divided by FACTOR.
Jobs send every quarter of a second, as every 15 s elsewhere; series are written every second, which is less often than
every 15 s elsewhere, so that an alert may come 1 s later than by its rule.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
import yaml

from batchtel_dashboards import queries
from batchtel_stack import binaries
from tests.stack import scaled
from tests.stack.altered import Altered, altered
from tests.stack.webhook import Notified, Webhook
from tests.support.polling import until
from tests.support.process import start
from tests.support.program import fetch

FACTOR: Final = 60

HOURS_AGO: Final = 4
"""When the jobs had their last good run; BatchGreenTick looks at 3 hours."""

CATALOGUE: Final = """
[jobs.slow.sla]
max_duration = "10m"
[jobs.late.schedule]
every = "20m"
"""

GOOD: Final = """
with batchtel.job(sys.argv[1]) as job:
    job.progress(1000)
    job.records(processed=1000)
"""

JOBS: Final = {
    "killed": "with batchtel.job('killed'):\n    sys.stdin.readline()\n",
    "hung": "with batchtel.job('hung') as job:\n    job.progress(10)\n    sys.stdin.readline()\n    job.progress(20)\n",
    "slow": "with batchtel.job('slow'):\n    sys.stdin.readline()\n",
    "empty": "with batchtel.job('empty'):\n    pass\n",
    "late": GOOD,
    "partial": "with batchtel.job('partial') as job:\n    job.records(processed=80, failed=20)\n",
    "failing": "with batchtel.job('failing'):\n    raise SystemExit(1)\n",
    "healthy": GOOD,
}
"""What each job does; the first three wait for a line, or for a signal."""

EXPECTED: Final = {
    "killed": "BatchRunLost",
    "hung": "BatchZeroThroughput",
    "slow": "BatchDurationSLABreach",
    "empty": "BatchGreenTick",
    "late": "BatchNotRunRecently",
    "partial": "BatchFailedRecordsHigh",
    "failing": "BatchHighFailureRate",
}
"""The alert of each job; `healthy` has none."""

SECONDS: Final = 120.0
"""How long an alert, or its end, may need; an hour is a minute here."""


class Bench:
    """A stack with scaled rules, its webhook, and the jobs that run on it."""

    def __init__(self, stack: Altered, webhook: Webhook, running: ExitStack) -> None:
        self.stack, self.webhook, self._running = stack, webhook, running

    def start(self, job: str, script: str) -> subprocess.Popen[str]:
        """Start a job, Python text."""
        process = start(
            f"import sys, batchtel\n{script}",
            None,
            job,
            OTEL_EXPORTER_OTLP_ENDPOINT=self.stack.otlp_http,
            OTEL_SERVICE_NAME="chaos",
            OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
            OTEL_METRIC_EXPORT_INTERVAL="250",
            BATCHTEL_EXIT_TIMEOUT="30",
        )
        self._running.enter_context(process)
        self._running.callback(process.kill)
        return process

    def wait_for(self, *wanted: Notified, after: int = 0) -> None:
        """Wait until the webhook has been sent all of these, `after` as many others."""

        def missing() -> set[Notified]:
            return set(wanted) - set(self.webhook.notified[after:])

        until(
            "notifications",
            lambda: None if missing() else True,
            SECONDS,
            lambda: f"missing: {missing()}\nso far: {self.webhook.notified}",
        )

    def wait_for_no(self, alert: str) -> None:
        """Wait until Alertmanager has no such alert."""
        until(f"the end of {alert}", lambda: None if self.states(alert) else True, SECONDS)

    def states(self, alert: str) -> dict[str, str]:
        """Return job -> state of an alert in Alertmanager: active or suppressed."""
        found = json.loads(fetch(f"{self.stack.alertmanager}/api/v2/alerts"))
        own = [one for one in found if one["labels"]["alertname"] == alert]
        return {one["labels"].get("job_name", ""): one["status"]["state"] for one in own}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """The bench, after a good run of `empty` four hours ago."""
    catalogue = tmp_path / "jobs.toml"
    catalogue.write_text(CATALOGUE)
    with ExitStack() as running, Webhook() as webhook:

        def written(file: Path, text: str) -> str:
            if file.name == "alerts.yaml":
                return scaled.rules(text, FACTOR)
            if file.name == "alertmanager.yaml":
                return _notifying(text, webhook.url)
            return text

        stack = running.enter_context(
            altered(
                tmp_path / "stack",
                {"catalogue": str(catalogue)},
                written=written,
                query_lookback_delta=f"{300 // FACTOR}s",
            )
        )
        made = Bench(stack, webhook, running)
        assert made.start("empty", GOOD).wait(60) == 0
        prometheus = stack.stores.prometheus
        counted = queries.added("batch.job.records.processed", "1h", labels={"job_name": "empty"})
        until("the records of the good run", lambda: prometheus.value(counted) == 1000 or None, SECONDS)
        _move_back(stack, HOURS_AGO * 3600 / FACTOR)
        # To the rules the collector was down, too.
        steady = "min(count_over_time(otelcol_exporter_queue_size[4s]))"
        until("the collector's own metrics", lambda: (prometheus.value(steady) or 0) >= 3 or None, SECONDS)
        made.wait_for_no("BatchCollectorDown")
        yield made


def _notifying(text: str, url: str) -> str:
    """Return the configuration of the stack's Alertmanager with a webhook, and with its default waits scaled."""
    document = yaml.safe_load(text)
    (receiver,) = document["receivers"]
    receiver["webhook_configs"] = [{"url": url}]
    document["route"] |= {"group_wait": "500ms", "group_interval": "5s", "repeat_interval": "4m"}
    return yaml.safe_dump(document)


def _move_back(stack: Altered, seconds: float) -> None:
    """Restart Prometheus with all that it has so far moved into the past."""
    program, folder = stack.programs["prometheus"], stack.data / "prometheus"
    program.stop()
    promtool = binaries.find("promtool")
    dump = subprocess.run(
        [promtool, "tsdb", "dump-openmetrics", "--match={__name__=~'batch_.+'}", folder / "tsdb"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    moved = re.sub(r"(?m)(\S+)$", lambda found: f"{float(found[1]) - seconds:.3f}", dump.removesuffix("# EOF\n"))
    (folder / "tsdb").rename(folder / "before")
    (folder / "moved").write_text(f"{moved}# EOF\n")
    subprocess.run(
        [promtool, "tsdb", "create-blocks-from", "openmetrics", folder / "moved", folder / "tsdb"],
        capture_output=True,
        check=True,
    )
    program.__enter__()


def test_only_times_are_scaled() -> None:
    """Windows, offsets, steps and limits of seconds are; shares, counts and texts stay."""
    promql = '((time() - x{a="1h 900"} > 900) and (max_over_time(y[1h:15s] offset 120s) / 120 > 0.05)) or (z > 10)'
    assert scaled.expression(promql, 60) == (
        '((time() - x{a="1h 900"} > 15) and (max_over_time(y[60000ms:250ms] offset 2000ms) / 2 > 0.05)) or (z > 10)'
    )


@pytest.mark.timeout(600)
def test_each_failure_is_notified_and_resolved(bench: Bench) -> None:
    """Every alert fires at the webhook and is resolved there, and a lost run mutes the missing heartbeats."""
    running = {job: bench.start(job, script) for job, script in JOBS.items()}
    for job, process in running.items():
        if job not in ("killed", "hung", "slow"):
            assert process.wait(60) == (1 if job == "failing" else 0), job
    live = queries.live("job", {"job_name": "killed"})
    prometheus = bench.stack.stores.prometheus
    until(
        "the run that is killed to be live", lambda: prometheus.value(scaled.expression(live, FACTOR)) or None, SECONDS
    )
    running["killed"].send_signal(signal.SIGKILL)
    bench.wait_for(Notified("BatchRunLost", "killed", "firing"))
    until(
        "the missing heartbeats to be muted",
        lambda: bench.states("BatchHeartbeatMissing").get("killed") == "suppressed" or None,
        SECONDS,
        lambda: str(bench.states("BatchHeartbeatMissing")),
    )
    bench.wait_for(*(Notified(alert, job, "firing") for job, alert in EXPECTED.items()))

    for job in ("hung", "slow"):
        running[job].communicate("\n", timeout=60)
    assert bench.start("late", GOOD).wait(60) == 0
    assert bench.start("killed", GOOD).wait(60) == 0
    # Alertmanager does not notify the end of an alert that is muted at that time, as these are without a collector.
    bench.wait_for(*(Notified(alert, job, "resolved") for job, alert in EXPECTED.items()))
    notified = bench.webhook.notified
    assert [one for one in notified if one.job == "healthy"] == []
    assert [one for one in notified if (one.alert, one.job) == ("BatchHeartbeatMissing", "killed")] == []

    bench.wait_for_no("BatchCollectorDown")
    before = len(bench.webhook.notified)
    bench.stack.programs["collector"].stop(signal.SIGKILL)
    bench.wait_for(Notified("BatchCollectorDown", "", "firing"), after=before)
    bench.stack.programs["collector"].__enter__()
    bench.wait_for(Notified("BatchCollectorDown", "", "resolved"), after=before)
