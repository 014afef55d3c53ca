"""Every case below cases/: what jobs send, and all that comes out of the rendered pipeline."""

from __future__ import annotations

import json

import pytest

from tests.pipeline import exposition
from tests.pipeline.bench import MARKER, Bench, Outcome
from tests.pipeline.case import Named, load
from tests.pipeline.conftest import Start
from tests.support import otlp

CASES = load()


@pytest.fixture(scope="module", params=["exact", "stock"])
def aggregation(request: pytest.FixtureRequest) -> str:
    """Each of the two ways to aggregate."""
    return str(request.param)


@pytest.fixture(scope="module")
def outcomes(start: Start, aggregation: str, request: pytest.FixtureRequest) -> dict[str, Outcome]:
    """What came of every selected case; one collector serves all cases that need the same environment."""
    chosen = (
        item.callspec.params.get("named")
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == "test_case"
    )
    selected = {named.name for named in chosen if isinstance(named, Named)}
    groups: dict[str, list[Named]] = {}
    for named in CASES:
        if named.name in selected:
            key = named.name if named.case.alone else json.dumps(named.case.environment, sort_keys=True)
            groups.setdefault(key, []).append(named)
    results: dict[str, Outcome] = {}
    for cases in groups.values():
        with start({**cases[0].case.environment, "aggregation": aggregation}) as bench:
            results |= bench.run(cases)
            _check_whole(bench, cases)
    return results


def _check_whole(bench: Bench, cases: list[Named]) -> None:
    """Check what no single case can: the collector runs, and nothing came out that belongs to no case."""
    assert bench.program.exit_code is None, bench.program.tail()
    samples, _ = bench.page()
    named_all = {named.name for named in cases} | {MARKER}
    strays = {sample for sample in samples if sample.label("job").rpartition("/")[0] not in named_all}
    assert not strays, f"series outside every case: {strays}"
    telemetry = bench.telemetry()
    if not bench.is_exact:
        behind = telemetry.dropped() - telemetry.refused()
        assert not +behind, f"lost behind the batch: {behind}"
    assert telemetry.errors() == []


@pytest.mark.parametrize("named", CASES, ids=lambda named: named.name)
def test_case(named: Named, aggregation: str, outcomes: dict[str, Outcome]) -> None:
    """All that comes out of a case is what its file expects: answers, series, refusals, log records, spans."""
    outcome, case = outcomes[named.name], named.case.of(aggregation)
    assert outcome.answers == []
    expected = case.expected(outcome.now)
    assert exposition.allowed(outcome.series, expected) == expected
    assert outcome.refused == case.refused
    assert outcome.logs == otlp.clocks(case.logs, outcome.now)
    assert outcome.spans == case.spans
