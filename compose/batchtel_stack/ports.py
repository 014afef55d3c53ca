"""Every port that the stack opens, all on loopback."""

from __future__ import annotations

import dataclasses
import errno
import random
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from batchtel.cli.main import Failure
from batchtel_stack import holder

HOST: Final = "127.0.0.1"

CANDIDATES = range(20000, 32000)
"""Where `free` looks: below the ports that Linux gives to outgoing connections, 32768 to 60999.

Tests that run in parallel give each of their processes a part: a port that is free now may be open elsewhere a moment
later."""


def _port(number: int, program: str, purpose: str) -> int:
    default: int = field(default=number, metadata={"program": program, "purpose": purpose})
    return default


@dataclass(frozen=True)
class Ports:
    """The ports of one stack. Each field knows the program that opens it and what it is for."""

    otlp_grpc: int = _port(4317, "collector", "jobs send here, OTLP over gRPC")
    otlp_http: int = _port(4318, "collector", "jobs send here, OTLP over HTTP")
    collector_health: int = _port(13133, "collector", "health check")
    collector_metrics: int = _port(8888, "collector", "the collector's own metrics")
    collector_series: int = _port(8889, "collector", "aggregated series, read by the collector itself")
    prometheus: int = _port(9090, "prometheus", "queries and remote write")
    victorialogs: int = _port(9428, "victorialogs", "queries and OTLP")
    jaeger: int = _port(16686, "jaeger", "queries")
    jaeger_grpc: int = _port(16685, "jaeger", "queries over gRPC")
    jaeger_otlp: int = _port(4327, "jaeger", "spans from the collector, OTLP over gRPC")

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of all ports."""
        return tuple(port.name for port in dataclasses.fields(cls))

    @classmethod
    def described(cls) -> str:
        """Return one line per port: name, default, program and purpose."""
        return "\n".join(
            f"  {port.name:<18} {port.default:>5}  {port.metadata['program']}: {port.metadata['purpose']}"
            for port in dataclasses.fields(cls)
        )

    @classmethod
    def free(cls) -> Ports:
        """Return ports that nothing uses right now."""
        return cls(**dict(zip(cls.names(), free(len(cls.names())), strict=True)))

    def changed(self, settings: Iterable[str]) -> Ports:
        """Return a copy with `name=number` settings applied.

        Raises:
            Failure: unknown names, wrong numbers or two programs on one port, all at once (exit code 2).
        """
        numbers = dataclasses.asdict(self)
        problems = []
        for setting in settings:
            name, _, number = setting.partition("=")
            if name not in numbers:
                problems.append(f"--port {setting}: no port is called {name!r}; choose from {', '.join(numbers)}")
            elif not (number.isascii() and number.isdigit() and 1 <= int(number) <= 65535):
                problems.append(f"--port {setting}: {number!r} is not a port; write {name}=19090 (1 to 65535)")
            else:
                numbers[name] = int(number)
        for number in sorted(set(numbers.values())):
            names = [name for name, other in numbers.items() if other == number]
            if len(names) > 1:
                problems.append(
                    f"port {number} is given to {' and '.join(names)}; choose another: --port {names[-1]}=N"
                )
        if problems:
            raise Failure("\n".join(problems), 2)
        return Ports(**numbers)

    def require_free(self) -> None:
        """Do nothing when every port can be opened.

        Raises:
            Failure: names each port that cannot be, who uses it and the setting to change (exit code 3).
        """
        problems = []
        for port in dataclasses.fields(self):
            number = getattr(self, port.name)
            refusal = _refusal(number)
            if refusal is None:
                continue
            why = f"is used by {holder.of(HOST, number) or 'a process of another user'}"
            if refusal == errno.EACCES:
                why = "is for root only, as low ports are"
            problems.append(
                f"  {HOST}:{number} ({port.metadata['program']}, {port.metadata['purpose']}) {why}; "
                f"choose another port: --port {port.name}=N"
            )
        if problems:
            count = "a port" if len(problems) == 1 else f"{len(problems)} ports"
            raise Failure(f"{count} cannot be opened, nothing was started:\n" + "\n".join(problems), 3)


def free(count: int) -> list[int]:
    """Return `count` ports of `CANDIDATES` that nothing uses right now.

    Raises:
        Failure: There are not so many (exit code 3).
    """
    taken: list[int] = []
    for number in random.sample(CANDIDATES, len(CANDIDATES)):
        if _refusal(number) is None:
            taken.append(number)
        if len(taken) == count:
            return taken
    raise Failure(f"fewer than {count} ports between {CANDIDATES.start} and {CANDIDATES.stop} are free", 3)


def _refusal(number: int) -> int | None:
    """Return the errno for which a port cannot be opened, None if it can."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the programs do it: connections that wait for their end must not count as users.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, number))
            probe.listen(1)
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return error.errno
            raise
    return None
