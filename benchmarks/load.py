"""Many runs sent at once, over connections that stay open."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse as Answer

from batchtel.cli.main import Failure
from benchmarks.recorded import Recorded

CONNECTIONS: Final = 8
"""Senders at the same time; more do not make a collector on two cores any busier."""

_HEADERS: Final = {"content-type": "application/x-protobuf"}


def send(recorded: Recorded, url: str, numbers: Iterable[int], jobs: int, sent: Callable[[int], None]) -> None:
    """Send a run for each of `numbers`, dealt to `jobs` job names in turn; `sent` is called with each number.

    Raises:
        Failure: a request was not accepted whole; the text has the answer.
    """
    # Each thread gets the next number when it is ready: next() of one iterator is atomic for a range.
    waiting = iter(numbers)

    def work() -> None:
        with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)) as connection:
            for number in waiting:
                for path, body in recorded.run(number, number % jobs):
                    post(connection, path, body)
                sent(number)

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for outcome in [pool.submit(work) for _ in range(CONNECTIONS)]:
            outcome.result()


def post(connection: http.client.HTTPConnection, path: str, body: bytes) -> None:
    """Send one request over a connection that stays open; Failure if it was not accepted whole."""
    connection.request("POST", path, body, _HEADERS)
    response = connection.getresponse()
    answer = response.read()
    # The three signals' answers have the same fields; an empty partial success is a success.
    if response.status != 200 or Answer.FromString(answer).partial_success.rejected_data_points:
        raise Failure(f"the collector answered {response.status} to {path}: {answer[:300]!r}", 3)
