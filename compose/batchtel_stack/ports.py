"""Every port that the stack opens, all on loopback."""

from __future__ import annotations

import dataclasses
import errno
import functools
import itertools
import random
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from batchtel_stack import port_owner
from batchtel_stack.errors import UnavailableError, WrongInputError

HOST: Final = "127.0.0.1"

CANDIDATES = range(20000, 32000)
"""The range of `free`: below the ports that Linux uses for outgoing connections, 32768 to 60999.

Tests that run in parallel give each of their processes a part: a port that is free now may be in use a moment later."""


def _port(number: int, program: str, purpose: str) -> int:
    default: int = field(default=number, metadata={"program": program, "purpose": purpose})
    return default


@dataclass(frozen=True)
class Ports:
    """The ports of one stack. The metadata of each field is the program that opens it, and its purpose."""

    otlp_grpc: int = _port(4317, "collector", "jobs send here, OTLP over gRPC")
    otlp_http: int = _port(4318, "collector", "jobs send here, OTLP over HTTP")
    collector_health: int = _port(13133, "collector", "health check")
    collector_metrics: int = _port(8888, "collector", "the collector's own metrics")
    collector_series: int = _port(8889, "collector", "with aggregation: stock, series that the collector reads back")
    prometheus: int = _port(9090, "prometheus", "queries and remote write")
    alertmanager: int = _port(9093, "alertmanager", "alerts from Prometheus, and its API")
    victorialogs: int = _port(9428, "victorialogs", "queries and OTLP")
    jaeger: int = _port(16686, "jaeger", "queries")
    jaeger_grpc: int = _port(16685, "jaeger", "queries over gRPC")
    ui: int = _port(9494, "ui", "pages for a browser")
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
        """Return ports that are free now."""
        return cls(**dict(zip(cls.names(), free(len(cls.names())), strict=True)))

    def changed(self, settings: Iterable[str]) -> Ports:
        """Return a copy with `name=number` settings applied.

        Raises:
            WrongInputError: unknown names, wrong numbers or two programs on one port, all at once.
        """
        numbers = dataclasses.asdict(self)
        problems = []
        for setting in settings:
            name, _, number = setting.partition("=")
            if name not in numbers:
                problems.append(f"--port {setting}: unknown port {name!r}; choose from {', '.join(numbers)}")
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
            raise WrongInputError("\n".join(problems))
        return Ports(**numbers)

    def require_free(self) -> None:
        """Do nothing when every port can be opened.

        Raises:
            UnavailableError: names each port that cannot be opened, the process that uses it and the setting to change.
        """
        problems = []
        for port in dataclasses.fields(self):
            number = getattr(self, port.name)
            refusal = _refusal(number)
            if refusal is None:
                continue
            why = f"is used by {port_owner.of(HOST, number) or 'a process of another user'}"
            if refusal == errno.EACCES:
                why = "needs root, as all low ports"
            problems.append(
                f"  {HOST}:{number} ({port.metadata['program']}, {port.metadata['purpose']}) {why}; "
                f"choose another port: --port {port.name}=N"
            )
        if problems:
            count = "a port" if len(problems) == 1 else f"{len(problems)} ports"
            raise UnavailableError(f"{count} cannot be opened, nothing was started:\n" + "\n".join(problems))


@functools.cache
def _circle() -> Iterator[int]:
    return itertools.cycle(random.sample(CANDIDATES, len(CANDIDATES)))


def free(count: int) -> list[int]:
    """Return `count` ports of `CANDIDATES` that are free now.

    A process gets all of them before it gets one again: a port on which nothing listens yet may belong to a program
    that is about to start.

    Raises:
        UnavailableError: There are fewer.
    """
    found: list[int] = []
    for number in itertools.islice(_circle(), len(CANDIDATES)):
        if _refusal(number) is None:
            found.append(number)
        if len(found) == count:
            return found
    raise UnavailableError(f"fewer than {count} ports between {CANDIDATES.start} and {CANDIDATES.stop} are free")


def _refusal(number: int) -> int | None:
    """Return the errno of opening a port, None if it can be opened."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the programs do it: connections in TIME_WAIT must not count as users.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, number))
            probe.listen(1)
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return error.errno
            raise
    return None
