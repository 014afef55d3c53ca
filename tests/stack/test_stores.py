"""The clients of the stores: an error says which store, where, and what it answered."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from batchtel.command import Failure
from batchtel_stack.stores import Loki, Prometheus, Tempo
from tests.stack.conftest import Played


def test_nobody_answers(free_ports: Callable[[int], list[int]]) -> None:
    """An address without a listener: exit code 3, with the store and the address."""
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(Failure) as failed:
        Prometheus(url).query("up")
    assert failed.value.exit_code == 3
    assert re.fullmatch(
        rf"Prometheus does not answer at {url}/api/v1/query: .*Connection refused.* Is it running\? batchtel status",
        failed.value.message,
    )


def test_query_that_prometheus_cannot_read(played: Played) -> None:
    """Prometheus' own words, with the query."""
    with pytest.raises(Failure) as failed:
        Prometheus(played.stack.prometheus).query("sum(")
    assert failed.value.message == (
        f"Prometheus answers 400 at {played.stack.prometheus}/api/v1/query: "
        '{"status":"error","errorType":"bad_data","error":"invalid parameter \\"query\\": 1:5: parse error: unclosed '
        'left parenthesis"} (asked: query=sum()'
    )


def test_query_that_loki_cannot_read(played: Played) -> None:
    """Loki's own words, with the query."""
    with pytest.raises(Failure, match=r"^Loki answers 400 at .*parse error.*\(asked: query=\{; "):
        Loki(played.stack.loki).records("{", played.since, played.since + 1)


def test_query_that_tempo_cannot_read(played: Played) -> None:
    """Tempo's own words, with the query."""
    with pytest.raises(Failure, match=r"^Tempo answers 400 at .*parse error.*\(asked: q=\{; "):
        Tempo(played.stack.tempo).search("{", played.since, played.since + 1)


def test_another_program_at_the_address(played: Played) -> None:
    """Loki asked as Prometheus does not know the address."""
    with pytest.raises(Failure) as failed:
        Prometheus(played.stack.loki).query("up")
    assert failed.value.message == (
        f"Prometheus answers 404 at {played.stack.loki}/api/v1/query. Is this address that of Prometheus?"
    )


def test_unknown_trace(played: Played) -> None:
    """A trace that Tempo does not have has no spans."""
    assert Tempo(played.stack.tempo).trace("0123456789abcdef0123456789abcdef") == []


def test_answer_that_would_be_cut(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer as long as its limit may not be all there is, so it is an error."""
    monkeypatch.setattr("batchtel_stack.stores.LOKI_LIMIT", 3)
    query = '{service_name="batchtel-demo"}'
    with pytest.raises(Failure) as failed:
        Loki(played.stack.loki).records(query, played.since - 60, played.since + 600)
    assert failed.value.message == (f"Loki has 3 results or more for {query}; ask for a shorter time or for one run")
