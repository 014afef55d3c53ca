"""What a call has returned that is awaited: a coroutine, or a future of asyncio."""

from __future__ import annotations

import sys
from collections.abc import Coroutine


def is_awaited(result: object) -> bool:
    """Whether `result` is a coroutine, or a future or task of asyncio."""
    return isinstance(result, Coroutine) or is_future(result)


def is_future(result: object) -> bool:
    """Whether `result` is a future or task of asyncio, which is imported by the job or not at all."""
    asyncio = sys.modules.get("asyncio.futures")
    return asyncio is not None and bool(asyncio.isfuture(result))
