"""Many writers at the same moment: each has a connection of its own and sends one request."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Sequence
from urllib.parse import urlsplit

from batchtel.cli.main import Failure

_SPARE = 200
"""Files that the process has open besides."""

_PATIENCE = 300.0
"""Longest time in seconds until all are answered."""


def affordable(writers: int) -> bool:
    """Raise the limit of open files as far as it goes, and return whether so many connections fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = writers + _SPARE
    if soft < wanted and (hard == resource.RLIM_INFINITY or hard >= wanted):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return soft >= wanted


def send_at_once(url: str, bodies: Sequence[bytes]) -> None:
    """Open a connection for each body, then send all of them, and return when all are acknowledged.

    Raises:
        Failure: one is refused, or not answered in time.
    """
    address = urlsplit(url)
    assert address.hostname is not None
    asyncio.run(_send(address.hostname, address.port or 80, bodies))


async def _send(host: str, port: int, bodies: Sequence[bytes]) -> None:
    connections = []
    for _ in bodies:
        # One after the other: a listener's backlog is shorter than the crowd.
        connections.append(await asyncio.open_connection(host, port))
    async with asyncio.timeout(_PATIENCE):
        statuses = await asyncio.gather(
            *(_post(connection, body) for connection, body in zip(connections, bodies, strict=True))
        )
    for _, writer in connections:
        writer.close()
    if refused := [status for status in statuses if status != 200]:
        raise Failure(f"{len(refused)} of {len(bodies)} writers were answered {refused[0]}", 3)


async def _post(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], body: bytes) -> int:
    reader, writer = connection
    head = (
        "POST /v1/metrics HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
    line = await reader.readline()
    return int(line.split()[1])
