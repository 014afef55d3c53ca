"""Group `jobs`: what a short job costs with three signals, against the plain SDK and a Pushgateway."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks import programs, pushgateway
from benchmarks.pairs import Measured, Variants, interleaved, median, ratio
from benchmarks.programs import Endpoints
from benchmarks.report import Column, Goal, Report
from benchmarks.spent import SCRIPTS, python

ROUNDS: Final = 20
PROTOCOLS: Final = {"http/protobuf": "HTTP", "grpc": "gRPC"}
"""Value of OTEL_EXPORTER_OTLP_PROTOCOL -> what people call it."""

GOALS: Final = {"HTTP": 0.75, "gRPC": 0.9}
"""Wall time of a batchtel job by protocol, as a multiple of the same job with the plain SDK."""

_BARE: Final = "python -c pass"
_PUSHGATEWAY: Final = "prometheus_client, Pushgateway"
_COLUMNS: Final = (
    Column("job", "job", "text"),
    Column("wall_s", "wall", "ms"),
    Column("cpu_s", "CPU", "ms"),
    Column("peak_memory_bytes", "peak memory", "MiB"),
    Column("wall_ratio", "wall / SDK's", "ratio"),
    Column("cpu_ratio", "CPU / SDK's", "ratio"),
    Column("peak_memory_ratio", "memory / SDK's", "ratio"),
)
_FIGURES: Final = {"wall_s": "wall", "cpu_s": "cpu", "peak_memory_bytes": "peak_memory"}


def measure(folder: Path, progress: Callable[[str], None], rounds: int = ROUNDS) -> Report:
    """Run every kind of job `rounds` times, interleaved; `folder` holds logs."""
    report = Report("jobs", f"A short job with three signals (medians of {rounds} interleaved rounds)", _COLUMNS)
    report.notes.append("Ratios: the median of the pairs' own, against the plain SDK with the same protocol.")
    with programs.sink(folder) as sink, _variants(folder, sink, report.notes) as variants:
        measured = interleaved(variants, rounds, progress)
        # Each job makes one span, and has run once more, unmeasured.
        sink.require_spans((rounds + 1) * len(PROTOCOLS) * 2)
    report.rows.extend(_row(name, measured) for name in measured)
    for protocol in PROTOCOLS.values():
        ours, theirs = measured[f"batchtel, {protocol}"], measured[f"plain SDK, {protocol}"]
        share = ratio(ours, theirs, "wall")
        report.goals.append(Goal(f"wall time, batchtel / plain SDK, {protocol}", share, GOALS[protocol]))
    return report


@contextmanager
def _variants(folder: Path, sink: Endpoints, notes: list[str]) -> Iterator[Variants]:
    with ExitStack() as stack:
        variants: dict[str, Callable[[], Any]] = {_BARE: partial(python, "-c", "pass", variables={})}
        for protocol, called in PROTOCOLS.items():
            variables = sink.variables(protocol)
            for tool, script in (("plain SDK", "plain_sdk_job.py"), ("batchtel", "batchtel_job.py")):
                variants[f"{tool}, {called}"] = partial(python, SCRIPTS / script, variables=variables)
        try:
            if importlib.util.find_spec("prometheus_client") is None:
                raise pushgateway.MissingError("prometheus_client is not installed; start it with `make bench`")
            address = stack.enter_context(pushgateway.running(folder))
        except pushgateway.MissingError as missing:
            notes.append(f"Left out: {_PUSHGATEWAY}: {missing}.")
        else:
            variables = {"PUSHGATEWAY": address}
            variants[_PUSHGATEWAY] = partial(python, SCRIPTS / "pushgateway_job.py", variables=variables)
        yield variants


def _row(name: str, measured: Measured) -> dict[str, Any]:
    row: dict[str, Any] = {"job": name}
    row |= {key: median(measured[name], figure) for key, figure in _FIGURES.items()}
    if name.startswith("batchtel"):
        other = name.replace("batchtel", "plain SDK")
        row |= {f"{figure}_ratio": ratio(measured[name], measured[other], figure) for figure in _FIGURES.values()}
    return row
