"""The own metrics of a collector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import takewhile
from typing import Final

from tests.pipeline import exposition
from tests.support.program import fetch

_SIGNS: Final = {"otelcol_processor_incoming_items": 1, "otelcol_processor_outgoing_items": -1}

_NOT_ADDED: Final = ("otelcol_processor_run_rollup_rejected", "otelcol_processor_run_rollup_duplicate")


class Telemetry:
    """One reading of a collector's own metrics; `pipeline` are the processors that jobs' metrics go through."""

    def __init__(self, port: int, pipeline: Sequence[str]) -> None:
        self._pipeline = pipeline
        self._samples, _ = exposition.parse(fetch(f"http://127.0.0.1:{port}/metrics"))

    def dropped(self) -> Counter[str]:
        """Return processor of the pipeline -> data points that went in and did not come out so far."""
        counts: Counter[str] = Counter()
        for sample in self._samples:
            processor = sample.label("processor")
            if sample.name in _SIGNS and sample.label("otel_signal") == "metrics" and processor in self._pipeline:
                counts[processor] += _SIGNS[sample.name] * int(sample.value)
        return counts

    def refused(self) -> Counter[str]:
        """Return the part of `dropped` of the processors that work before a request is answered."""
        at_once = list(takewhile(lambda name: not name.startswith(("batch", "run_rollup")), self._pipeline))
        found = Counter({name: count for name, count in self.dropped().items() if name in at_once})
        for sample in self._samples:
            if sample.name in _NOT_ADDED and sample.value:
                found[f"run_rollup/{sample.label('reason') or 'duplicate'}"] += int(sample.value)
        return found

    def errors(self) -> list[str]:
        """Return the metrics that count errors behind the batch and are not 0."""
        found = [
            sample
            for sample in self._samples
            if sample.label("error") or sample.name.startswith("promhttp_metric_handler_errors")
        ]
        return exposition.lines([sample for sample in found if sample.value], {})

    def value(self, name: str) -> float:
        """Return the sum of all samples of a metric, 0 when there is none."""
        return sum(sample.value for sample in self._samples if sample.name == name)
