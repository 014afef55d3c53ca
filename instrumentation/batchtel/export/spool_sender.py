"""Sends what is in a spool folder, without a job: beside an agent, or by hand after an outage.

It locks each file as jobs do, so jobs that share the folder send on meanwhile, and nothing is sent twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from batchtel.export import messages
from batchtel.export.delivery import Delivery
from batchtel.export.endpoint import SIGNALS, Endpoint, Signal
from batchtel.export.spool import Spool, Spooled, files
from batchtel.schema.settings import Settings


class Kept(NamedTuple):
    """Why requests of one signal stay in the folder; `is_away` where the collector accepts nothing now."""

    signal: Signal
    reason: str
    is_away: bool


class Round(NamedTuple):
    """The result of one pass through the folder: requests sent, by signal, and what stays, with the reason."""

    sent: Counter[Signal]
    kept: tuple[Kept, ...]


class SpoolSender:
    """Sends the requests of `folder` to the endpoints of `settings`; a file is deleted when the collector accepted it.

    What the collector refuses for good stays, unlike in a job: a user reads the reason here and can mend it.

    Raises:
        ValueError: An endpoint cannot be used; the text names the variable and the fix.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder = folder
        self._senders = [
            _SignalSender(endpoint, Spool(str(folder), settings.spool_limit, signal), settings.export_timeout)
            for signal in SIGNALS
            if (endpoint := Endpoint.of(signal, settings)) is not None
        ]

    @property
    def addresses(self) -> list[str]:
        """The addresses that it sends to, without credentials."""
        return sorted({sender.endpoint.shown for sender in self._senders})

    def send(self, stopped: Callable[[], bool]) -> Round:
        """Send every file once, the oldest first, until `stopped` returns true between two files."""
        sent: Counter[Signal] = Counter()
        kept: list[Kept] = []
        for sender in self._senders:
            sent[sender.endpoint.signal] += sender.send(stopped, kept)
        return Round(+sent, (*kept, *self._without_endpoint()))

    def _without_endpoint(self) -> Iterator[Kept]:
        reached = {sender.endpoint.signal for sender in self._senders}
        for signal in SIGNALS:
            if signal not in reached and files(self._folder, signal):
                fix = f"set OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"
                yield Kept(signal, f"there is no endpoint for {signal}: {fix}", is_away=False)


class _SignalSender:
    def __init__(self, endpoint: Endpoint, spool: Spool, timeout: float) -> None:
        self.endpoint: Final = endpoint
        self._spool = spool
        self._delivery = Delivery(endpoint, timeout)

    def send(self, stopped: Callable[[], bool], kept: list[Kept]) -> int:
        passed: set[str] = set()
        sent = 0
        while not stopped():
            with self._spool.oldest(passed) as spooled:
                if spooled is None:
                    break
                passed.add(spooled.path.name)
                problem = self._send(spooled)
                if problem is None:
                    spooled.delete()
                    sent += 1
                    continue
                kept.append(problem)
                if problem.is_away:
                    break
        return sent

    def _send(self, spooled: Spooled) -> Kept | None:
        signal = self.endpoint.signal
        if not messages.is_request(signal, spooled.data):
            return Kept(signal, f"{spooled.path} is no request of OTLP; remove it", is_away=False)
        reply = self._delivery.send_encoded(spooled.data)
        if reply.verdict == "delivered":
            return None
        if reply.verdict == "refused":
            return Kept(signal, f"{self.endpoint.shown} refuses {spooled.path}: {reply.reason}", is_away=False)
        reason = self.endpoint.diagnose() or reply.reason or "no reply"
        return Kept(signal, f"cannot send to {self.endpoint.shown}: {reason}", is_away=True)
