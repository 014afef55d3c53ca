"""What leaves the collector for Loki, held against the limits that were measured on Loki 3.7.

Loki itself is not built here. Above any of these it rejected records, or made a stream of each run; below them it
accepted every one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, Final

import pytest

from tests.pipeline import detail
from tests.pipeline.bench import Bench
from tests.pipeline.conftest import Start
from tests.support import otlp
from tests.support.polling import until

NAMESPACE: Final = "loki"
STREAM: Final = {"service.name", "deployment.environment.name", "batch.job.name"}
"""What Loki makes labels of, with service.namespace, which the reader of the sink removes."""

ENTRIES, METADATA, LINE = 128, 64 * 1024, 256 * 1024
"""Most entries and bytes of structured metadata, and of a line."""

AHEAD, BEHIND = 600, 3600
"""Seconds that a record may be ahead of Loki's clock, and behind the newest one of its stream."""


@pytest.fixture(scope="module")
def bench(start: Start) -> Iterator[Bench]:
    """The collector of the environment `local`, with Loki and Tempo as its stores."""
    with start() as running:
        yield running


def _send(bench: Bench, job: str, items: Sequence[Mapping[str, Any]], run: str = "run-1") -> None:
    own = {"batch.job.name": job, "batch.run.id": run}
    resource = {"service.name": "etl", "service.namespace": NAMESPACE, "deployment.environment.name": "test"}
    resource |= {"service.instance.id": run, "host.name": f"host-{run}", "k8s.pod.name": f"pod-{run}"}
    items = [{**item, "attributes": {**item.get("attributes", {}), **own}} for item in items]
    body = otlp.expand(otlp.request(resource, {}, "logs", items), int(time.time()), 0, NAMESPACE)
    with closing(otlp.Sender(bench.listen.otlp_http)) as sender:
        assert sender.send(otlp.path(body), otlp.encoded(body, otlp.JSON), otlp.JSON)[0] == 200


def _records(bench: Bench, job: str, count: int) -> list[dict[str, Any]]:
    def arrived() -> list[dict[str, Any]] | None:
        everything = detail.logs(bench.sink.logs, NAMESPACE, bench.now)
        found = [record for record in everything if record["resource"].get("batch.job.name") == job]
        return found if len(found) >= count else None

    records = until(f"{count} records of {job}", arrived, 90, bench.program.tail)
    assert len(records) == count
    return records


def _assert_accepted(records: list[dict[str, Any]]) -> None:
    for record in records:
        assert set(record["resource"]) <= STREAM
        entries = [*record["attributes"].items(), *((key, record[key]) for key in ("trace",) if key in record)]
        assert all(isinstance(text, str) for _, text in entries), "Loki flattens maps and lists, each part an entry"
        # Loki adds severity_text, severity_number, span_id, trace_id, scope_name, scope_version, observed_timestamp,
        # detected_level and flags of its own.
        assert len(entries) + 9 <= ENTRIES
        assert sum(len(key.encode()) + len(text.encode()) for key, text in entries) + 1024 <= METADATA
        assert len(record["body"].encode()) <= LINE


def test_the_runs_of_one_job_are_one_stream(bench: Bench) -> None:
    """200 runs of a job at the same time, each with 20 lines, have one set of labels; ids are structured metadata."""
    lines = [{"timeUnixNano": "{now}", "body": {"stringValue": f"line {n} " + "x" * 900}} for n in range(20)]
    with ThreadPoolExecutor(50) as threads:
        list(threads.map(lambda number: _send(bench, "crowd", lines, f"run-{number}"), range(200)))
    records = _records(bench, "crowd", 200 * 20)
    _assert_accepted(records)
    assert len({tuple(sorted(record["resource"].items())) for record in records}) == 1
    one = [record["attributes"] for record in records if record["attributes"]["batch.run.id"] == "run-7"]
    assert {fields["service.instance.id"] for fields in one} == {"run-7"}
    assert {fields["k8s.pod.name"] for fields in one} == {"pod-run-7"}


LARGE: Final[dict[str, Mapping[str, Any]]] = {
    "a line": {"body": {"stringValue": "x" * 1_000_000}},
    "a line in another script": {"body": {"stringValue": "\u65e5" * 300_000}},
    "a map as body": {
        "body": {
            "kvlistValue": {"values": [{"key": f"k{n}", "value": {"stringValue": "y" * 1000}} for n in range(400)]}
        }
    },
    "long attributes": {"attributes": {f"attribute_{number}": "y" * 4000 for number in range(200)}},
    "a long attribute": {"attributes": {"text": "z" * 1_000_000}},
    "many attributes": {"attributes": {f"attribute_{number}": "v" for number in range(1000)}},
}


@pytest.mark.parametrize("kind", LARGE)
def test_a_record_over_a_limit(bench: Bench, kind: str) -> None:
    """It is cut and marked, keeps its run id, and the record beside it is whole."""
    body = LARGE[kind].get("body", {"stringValue": "small"})
    neighbour = {"body": {"stringValue": "neighbour"}}
    _send(bench, kind, [{**LARGE[kind], "body": body}, neighbour])
    records = _records(bench, kind, 2)
    _assert_accepted(records)
    (large,) = [record for record in records if record["body"] != "neighbour"]
    assert large["attributes"]["batch.run.id"] == "run-1"
    if "body" in LARGE[kind]:
        assert large["body"][-14:] == "...[truncated]"
    else:
        assert large["attributes"]["batch.truncated"] == "true"


@pytest.mark.parametrize("seconds", [-90 * 86400, -7200, -3500, -1700, 0, 50, 550, 7200, 400 * 86400])
def test_a_clock_that_is_off(bench: Bench, seconds: int) -> None:
    """Whatever the clock of a job shows, its record is within the time that Loki accepts, and its own time is kept."""
    job = f"clock {seconds}"
    _send(bench, job, [{"body": {"stringValue": "a line"}, "timeUnixNano": f"{{now{seconds:+d}}}"}])
    (record,) = _records(bench, job, 1)
    moment = bench.now if record["time"] == "arrival" else bench.now - int(record["time"].removeprefix("now-"))
    assert -BEHIND / 2 <= moment - bench.now <= AHEAD
    assert ("batch.clock.time" in record["attributes"]) == (not -1800 < seconds < 60)
