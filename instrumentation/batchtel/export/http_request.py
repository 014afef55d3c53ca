"""The body and the headers of a request over HTTP."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from typing import Final

from batchtel.export.connection import Connection

_COMPRESS: Final[dict[str, Callable[[bytes], bytes]]] = {"gzip": gzip.compress, "deflate": zlib.compress}


def content(way: Connection, body: bytes) -> bytes:
    """Return an ExportServiceRequest as it is sent: compressed, if that is set."""
    compress = _COMPRESS.get(way.compression)
    return body if compress is None else compress(body)


def headers(way: Connection) -> dict[str, str]:
    """Return the headers of every request: what the content is, and those that are set.

    All names are in lower case, so that a header which is set replaces one of ours.
    """
    encoding = {"content-encoding": way.compression} if way.compression in _COMPRESS else {}
    return {"content-type": "application/x-protobuf", **encoding, **way.header_pairs}
