"""What a job writes that it counted, in a file, and what a receiver has of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.support.sink import Sink

METRIC = "batch.job.records.processed"


def written(file: Path) -> Counter[str]:
    """Add up the lines `job amount` that the jobs wrote before they counted."""
    total: Counter[str] = Counter()
    for line in file.read_text().splitlines():
        job, _, amount = line.rpartition(" ")
        total[job] += int(amount)
    return total


def received(sink: Sink, *, repeated: bool = False) -> Counter[str]:
    """Add up by job what arrived; without `repeated` a point that came again counts once.

    A point is the same if the process, the metric, the attributes and both times are, as the exact aggregator has it.
    """
    total: Counter[str] = Counter()
    seen = set()
    for message in sink.of("metrics"):
        for resource in message.resource_metrics:
            process = resource.resource.SerializeToString(deterministic=True)
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name != METRIC:
                        continue
                    for point in metric.sum.data_points:
                        job = next(pair.value.string_value for pair in point.attributes if pair.key == "job_name")
                        key = (process, job, point.start_time_unix_nano, point.time_unix_nano)
                        if point.as_int and (repeated or key not in seen):
                            total[job] += point.as_int
                        seen.add(key)
    return total
