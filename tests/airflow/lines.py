"""The two lines of Airflow, 2 and 3: which programs they are, where they keep their state, their settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import urlopen

from batchtel_stack import ports
from tests.airflow.airflow import Airflow
from tests.support.polling import until


class Airflow2(Airflow):
    """Scheduler and triggerer; the scheduler parses DAGs, and task processes write into the database themselves."""

    def _settings(self) -> Mapping[str, str]:
        return {
            "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "2",
            # It looks for dead tasks again before a busy DAG parser has failed those that it found, and so fails the
            # next try of one for the try before (seen: three times in 10 s each).
            "AIRFLOW__SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "30",
        }

    def start_around(self) -> None:
        """Start nothing, for all talk through the database only; but put the DAGs there, as the scheduler would."""
        self.command("dags", "reserialize")


class Airflow3(Airflow):
    """API server, DAG processor, triggerer and scheduler; task processes speak to the API server."""

    def _settings(self) -> Mapping[str, str]:
        port = ports.free(1)[0]
        self.url = f"http://127.0.0.1:{port}"
        return {
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": "for-tests-" + "0" * 64,
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
            # A busy machine needs longer than the 5 s after which a task fails.
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        }

    def start_around(self) -> None:
        """Start them, the API server first: a task that starts before it answers cannot report that, and fails."""
        self.start("api-server")
        until(f"an answer of {self.url}", self._answers, 180, lambda: self.log("api-server")[-3000:])
        self.start("dag-processor")

    def _answers(self) -> bool | None:
        with urlopen(f"{self.url}/api/v2/version", timeout=5) as answer:
            return answer.status == 200 or None


INTERVAL: Final = "15000"
"""Milliseconds between two exports of Airflow's own metrics.

The SDK does not wait at its end for an export that is on its way: with 1 s, 1 of 10 tasks was lost.
"""


def own_metrics(version: str, endpoint: str, statsd: str) -> dict[str, str]:
    """Return the variables by which Airflow `version` sends its own metrics.

    Airflow 3 sends them to `endpoint` by OTLP. Airflow 2 would call its protobuf JSON, with the exporters that batchtel
    needs, and every collector refuses that: it sends to `statsd`, a host:port.
    """
    if version.startswith("2."):
        host, _, port = statsd.rpartition(":")
        return {
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": host,
            "AIRFLOW__METRICS__STATSD_PORT": port,
        }
    address = urlsplit(endpoint)
    found = {
        "AIRFLOW__METRICS__OTEL_ON": "True",
        "AIRFLOW__METRICS__LEGACY_NAMES_ON": "False",
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta",
        "OTEL_METRIC_EXPORT_INTERVAL": INTERVAL,
    }
    if version == "3.1":
        found["AIRFLOW__METRICS__OTEL_HOST"] = str(address.hostname)
        found["AIRFLOW__METRICS__OTEL_PORT"] = str(address.port)
        found["AIRFLOW__METRICS__OTEL_INTERVAL_MILLISECONDS"] = INTERVAL
    return found


@contextmanager
def running(
    version: str, folder: Path, dags: Path, variables: Mapping[str, str], *, scheduler: bool = True
) -> Iterator[Airflow]:
    """Run Airflow `version`, such as `3.3`, in `folder` for the length of a `with` block, with the DAG files of `dags`.

    `variables` are environment variables on top, for all its processes. Without `scheduler` that is started apart.
    """
    line = Airflow2 if version.startswith("2.") else Airflow3
    airflow = line(version, folder, dags, variables)
    with airflow.running(scheduler=scheduler):
        yield airflow
