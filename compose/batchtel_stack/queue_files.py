"""The collector's queue files: damaged ones are set aside before it starts.

The collector keeps each queue in one file of bbolt (extension file_storage). With a damaged one it does not start, or
ends while it starts: its setting `recreate` covers only some kinds of damage. So the files are checked as bbolt reads
them: the meta pages, then each page of the tree below the newer one. Values are not checked.

Format: github.com/etcd-io/bbolt, v1.5.0, internal/common. `python -m batchtel_stack.queue_files FOLDER` does the same
where another program starts the collector, such as a container.
"""

from __future__ import annotations

import json
import mmap
import struct
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

PREFIXES: Final = ("exporter_", "receiver_", "processor_", "extension_", "connector_")
"""Beginnings of the names of queue files: the kind of their component."""

SET_ASIDE: Final = ".damaged"
"""End of the name of a file that was set aside, after the time."""

_MAGIC: Final = 0xED0CDAED
_VERSION: Final = 2
_HEADER: Final = struct.Struct("<QHHI")  # id, flags, count, overflow
_META: Final = struct.Struct(
    "<IIIIQQQQQQ"
)  # magic, version, page size, flags, root, sequence, freelist, end, id, checksum
_BRANCH_ELEMENT: Final = struct.Struct("<IIQ")  # position, size of the key, page
_LEAF_ELEMENT: Final = struct.Struct("<IIII")  # flags, position, size of the key, size of the value
_BUCKET: Final = struct.Struct("<QQ")  # root, sequence
_BRANCH, _LEAF, _META_PAGE = 1, 2, 4
_IS_BUCKET: Final = 1


class Damaged(NamedTuple):
    """A queue file that was set aside: its former path, its path now, and its damage."""

    file: Path
    moved_to: Path
    reason: str


class _DamageError(Exception):
    """The damage of a file."""


def set_aside(folder: Path) -> list[Damaged]:
    """Rename every damaged queue file of a folder, which may be missing; return what was renamed.

    The collector must not run. Raises OSError where a file cannot be read or renamed.
    """
    found = []
    for file in sorted(folder.iterdir()) if folder.is_dir() else []:
        if file.is_file() and file.name.startswith(PREFIXES) and not file.name.endswith((SET_ASIDE, ".backup")):
            reason = damage(file)
            if reason is not None:
                moved_to = file.with_name(f"{file.name}.{datetime.now(UTC):%Y%m%dT%H%M%S.%f}{SET_ASIDE}")
                file.rename(moved_to)
                found.append(Damaged(file, moved_to, reason))
    return found


def damage(file: Path) -> str | None:
    """Return why the collector cannot read a queue file; None if it can. An empty file is valid."""
    size = file.stat().st_size
    if size == 0:
        return None
    try:
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
            _Tree(content, size).check()
    except _DamageError as wrong:
        return str(wrong)
    return None


class _Tree:
    """The pages of one file, from its newest meta page on."""

    def __init__(self, content: mmap.mmap, size: int) -> None:
        self._content, self._size = content, size
        metas = [meta for meta in (self._meta(0), self._second_meta()) if meta is not None]
        if not metas:
            raise _DamageError("neither of its two meta pages is valid")
        self._page_size, self._root, self._end = max(metas, key=lambda meta: meta[3])[:3]
        if self._end * self._page_size > size:
            raise _DamageError(f"it has {size} bytes, and its pages need {self._end * self._page_size}")
        self._seen: set[int] = set()

    def check(self) -> None:
        """Raise if a page is invalid."""
        waiting = [self._root]
        while waiting:
            waiting += self._below(waiting.pop())

    def _second_meta(self) -> tuple[int, int, int, int] | None:
        # If the first one is damaged, the page size is missing; bbolt tries the same sizes.
        first = self._meta(0)
        sizes = [first[0]] if first is not None else [1024 << power for power in range(15)]
        return next((meta for size in sizes if (meta := self._meta(size)) is not None), None)

    def _meta(self, start: int) -> tuple[int, int, int, int] | None:
        """Return page size, root page, end and id of the meta page at a position; None if it is not valid."""
        if start + _HEADER.size + _META.size > self._size:
            return None
        magic, version, page_size, _, root, _, _, end, txid, checksum = _META.unpack_from(
            self._content, start + _HEADER.size
        )
        body = self._content[start + _HEADER.size : start + _HEADER.size + _META.size - 8]
        if magic != _MAGIC or version != _VERSION or checksum != _fnv(body) or page_size < 512:
            return None
        return page_size, root, end, txid

    def _below(self, page: int) -> Iterator[int]:
        """Check a page; yield the pages below it."""
        if not 2 <= page < self._end:
            raise _DamageError(f"a page {page} is referred to, and there are {self._end}")
        start = page * self._page_size
        number, flags, count, overflow = _HEADER.unpack_from(self._content, start)
        extent = (overflow + 1) * self._page_size
        if number != page or flags not in (_BRANCH, _LEAF) or page + overflow >= self._end:
            raise _DamageError(f"page {page} is not a page of the tree")
        if not self._seen.isdisjoint(range(page, page + overflow + 1)):
            raise _DamageError(f"page {page} is referred to twice")
        self._seen.update(range(page, page + overflow + 1))
        yield from self._elements(start, extent, flags, count, page)

    def _elements(self, start: int, extent: int, flags: int, count: int, page: int) -> Iterator[int]:
        layout = _BRANCH_ELEMENT if flags == _BRANCH else _LEAF_ELEMENT
        if _HEADER.size + count * layout.size > extent or (flags == _BRANCH and count == 0):
            raise _DamageError(f"page {page} cannot have {count} elements")
        last = b""
        for index in range(count):
            element = _HEADER.size + index * layout.size
            fields = layout.unpack_from(self._content, start + element)
            position, key, value = (*fields[:2], 0) if flags == _BRANCH else fields[1:]
            at = element + position
            name = self._content[start + at : start + at + key]
            if at + key + value > extent or (index and name <= last):
                raise _DamageError(f"element {index} of page {page} is not in its place")
            last = name
            if flags == _BRANCH:
                yield fields[2]
            elif fields[0] & _IS_BUCKET:
                yield from self._bucket(start + at + key, value, page)

    def _bucket(self, at: int, size: int, page: int) -> Iterator[int]:
        if size < _BUCKET.size:
            raise _DamageError(f"a bucket of page {page} has {size} bytes")
        root, _ = _BUCKET.unpack_from(self._content, at)
        if root:
            yield root
        elif size < _BUCKET.size + _HEADER.size:
            raise _DamageError(f"a bucket of page {page} has {size} bytes")
        else:
            # A small bucket is a page within its element.
            _, flags, count, _ = _HEADER.unpack_from(self._content, at + _BUCKET.size)
            if flags != _LEAF:
                raise _DamageError(f"a bucket of page {page} is not a page")
            yield from self._elements(at + _BUCKET.size, size - _BUCKET.size, flags, count, page)


def _fnv(body: bytes) -> int:
    """Return the 64-bit FNV-1a hash."""
    value = 0xCBF29CE484222325
    for byte in body:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def count(otlp: str, files: int) -> bool:
    """Add to `collector.queue.damaged_files` of a collector, by OTLP/HTTP; return whether that was accepted."""
    point = {"asInt": str(files), "attributes": []}
    total = {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [point]}
    metric = {"name": "collector.queue.damaged_files", "unit": "{file}", "sum": total}
    service = {"key": "service.name", "value": {"stringValue": "batchtel-collector"}}
    blocks = [{"resource": {"attributes": [service]}, "scopeMetrics": [{"metrics": [metric]}]}]
    body = json.dumps({"resourceMetrics": blocks}).encode()
    request = urllib.request.Request(f"{otlp}/v1/metrics", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status) == 200
    except OSError:
        return False


def main(arguments: list[str]) -> int:
    """Set aside the damaged queue files of the folders named; return the exit code."""
    for folder in arguments:
        try:
            for found in set_aside(Path(folder)):
                sys.stderr.write(f"{sentence(found)}\n")
        except OSError as error:
            sys.stderr.write(f"error: cannot check the queues in {folder}: {error}\n")
            return 3
    return 0


def sentence(found: Damaged) -> str:
    """Return a message about a damaged file."""
    return f"the queue file {found.file} is damaged ({found.reason}); it was set aside as {found.moved_to.name}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
