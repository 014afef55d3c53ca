"""A pipeline case: one YAML file with what jobs send and all that comes out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tests.support import otlp

CASES: Final = Path(__file__).parent / "cases"
NEIGHBOURS: Final = 30


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Send(_Strict):
    """One request, or `times` requests that differ in `{i}`.

    Each point with a time gets its own nanosecond, unless `repeated`: then it is as another delivery of the same one.
    """

    resource: dict[str, Any] = {}
    scope: dict[str, Any] = {}
    metrics: list[Any] | None = None
    logs: list[Any] | None = None
    spans: list[Any] | None = None
    request: dict[str, Any] | None = None
    times: Annotated[int, Field(ge=1)] = 1
    repeated: bool = False
    encoding: Literal["json", "protobuf"] = "json"
    status: int = 200

    @model_validator(mode="after")
    def _one_content(self) -> Send:
        if sum(part is not None for part in (self.metrics, self.logs, self.spans, self.request)) != 1:
            raise ValueError("write exactly one of metrics, logs, spans, request")
        return self

    def bodies(self, now: int, namespace: str, neighbours: bool) -> Iterator[dict[str, Any]]:
        """Yield the OTLP requests. service.namespace is `namespace` unless the case sets it."""
        for repetition in range(self.times):
            body = deepcopy(self.request) or self._body()
            if neighbours:
                body["resourceMetrics"] = [*_good(0), *body["resourceMetrics"], *_good(1)]
            for block in next(iter(body.values())):
                resource = block.setdefault("resource", {})
                resource["attributes"] = {"service.namespace": namespace, **resource.get("attributes", {})}
            expanded = otlp.expand(body, now, repetition, namespace)
            yield expanded if self.repeated else _apart(expanded)

    def _body(self) -> dict[str, Any]:
        signal, items = next(
            (name, items) for name in ("metrics", "logs", "spans") if (items := getattr(self, name)) is not None
        )
        return otlp.request({"service.name": "etl", **self.resource}, self.scope, signal, items)


_nanoseconds: Final = itertools.count()


def _apart(node: Any) -> Any:
    """Return OTLP metrics in which no two points have the same time."""
    if isinstance(node, list):
        return [_apart(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    if "timeUnixNano" in node and 0 < int(node["timeUnixNano"]) < 2**63 and "spanId" not in node:
        node = {**node, "timeUnixNano": str(int(node["timeUnixNano"]) + next(_nanoseconds))}
    return {key: _apart(value) for key, value in node.items()}


def _good(half: int) -> Iterator[dict[str, Any]]:
    """Yield half of the good neighbours: each a job of its own that adds 1 to a counter and a histogram."""
    for number in range(half * NEIGHBOURS // 2, (half + 1) * NEIGHBOURS // 2):
        attributes = {"job_name": "neighbour", "job_type": "batch", "status": "success"}
        times = {"startTimeUnixNano": "{now-1}", "timeUnixNano": "{now}"}
        counter = {"attributes": attributes, "asInt": "1", **times}
        histogram = {"attributes": attributes, "count": "1", "sum": 1, "min": 1, "max": 1, **times}
        histogram |= {"explicitBounds": [0.1, 0.5, 1, 5, 15, 30, 60, 300, 900, 1800, 3600, 7200, 21600, 86400, 604800]}
        histogram |= {"bucketCounts": [0, 0, 1, *[0] * 13]}
        yield {
            "resource": {"attributes": {"service.name": "good", "service.instance.id": f"neighbour-{number}"}},
            "scopeMetrics": [
                {
                    "metrics": [
                        {"name": "batch.job.completions", "unit": "{run}",
                         "sum": {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [counter]}},
                        {"name": "batch.job.duration", "unit": "s",
                         "histogram": {"aggregationTemporality": 1, "dataPoints": [histogram]}},
                    ]
                }
            ],
        }  # fmt: skip


_LABELS: Final = 'job="good",job_name="neighbour",job_type="batch",status="success"'


class Exact(_Strict):
    """What differs with run_rollup, `aggregation: exact`.

    Attributes:
        because: why, one sentence.
        series, refused: as in the case; null: the same.
    """

    because: Annotated[str, Field(min_length=10)]
    series: str | None = None
    refused: dict[str, int] | None = None


class Case(_Strict):
    """What is sent, in order, and all that must come out.

    Attributes:
        description: one sentence: what must hold.
        environment: overrides of the environment `local`; cases with the same ones share a collector. Its catalogue
            is a file beside the case.
        alone: the case gets a collector of its own, because it is about names that the whole collector shares.
        neighbours: put good points before and behind what is sent, and expect every one of them.
        send: requests; the text `settle` waits until everything before it has come out.
        series: every series of the case, as exposition.lines() writes them; job is service.name. `1..5` as a value
            stands for anything between, ends included.
        refused: processor -> data points it took away.
        exact: what differs with `aggregation: exact`.
        logs, spans: every record or span of the case, as detail.py writes them; `{clock-60}` is a time as text.
    """

    description: Annotated[str, Field(min_length=10)]
    environment: dict[str, Any] = {}
    alone: bool = False
    neighbours: bool = False
    send: Annotated[list[Send | Literal["settle"]], Field(min_length=1)]
    series: str
    refused: dict[str, int] = {}
    exact: Exact | None = None
    logs: list[dict[str, Any]] = []
    spans: list[dict[str, Any]] = []

    @model_validator(mode="after")
    def _expects(self) -> Case:
        if not (self.series.strip() or self.neighbours or self.refused or self.logs or self.spans):
            raise ValueError("the case expects nothing: write series, neighbours, refused, logs or spans")
        return self

    def phases(self) -> list[list[Send]]:
        """Return the requests between two `settle`s."""
        phases: list[list[Send]] = [[]]
        for item in self.send:
            if isinstance(item, Send):
                phases[-1].append(item)
            else:
                phases.append([])
        return phases

    def of(self, aggregation: str) -> Case:
        """Return the case as one of the two ways to aggregate fulfils it."""
        if self.exact is None or aggregation == "stock":
            return self
        return self.model_copy(update=self.exact.model_dump(include={"series", "refused"}, exclude_none=True))

    def expected(self, now: int) -> list[str]:
        """Return the expected lines, and those of the neighbours unless the case itself has them."""
        lines = [line for line in otlp.times(self.series, now).split("\n") if line and not line.startswith("#")]
        if self.neighbours:
            number = NEIGHBOURS * sum(one.times for one in self.send if isinstance(one, Send))
            for series, value in (
                (f"batch_job_completions_total{{{_LABELS}}}", f"{number}"),
                (f"batch_job_duration_seconds{{{_LABELS}}}", f"count={number} sum={number} 1:{number}"),
            ):
                if not any(line.startswith(series) for line in lines):
                    lines.append(f"{series} {value}")
        return sorted(lines)


@dataclass(frozen=True)
class Named:
    """A case and its name: its path below cases/ without suffix, dots for slashes."""

    name: str
    case: Case


def load() -> list[Named]:
    """Return all cases; ValueError when there is none, or one is not as it should be."""
    files = sorted(CASES.rglob("*.yaml"))
    if not files:
        raise ValueError(f"no cases below {CASES}")
    return [_read(file) for file in files]


def _read(file: Path) -> Named:
    name = ".".join(file.relative_to(CASES).with_suffix("").parts)
    try:
        case = Case.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
        if catalogue := case.environment.get("catalogue"):
            case.environment["catalogue"] = str(file.parent / catalogue)
        return Named(name, case)
    except (ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{file}: {error}") from error
