"""The sections of a catalogue that is not TOML as a whole: one that is broken costs its own job, not the others."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any, Final

_HEADER: Final = re.compile(r"^[ \t]*\[[^\n]*", re.MULTILINE)


def split(text: str) -> tuple[dict[str, Any], set[str]]:
    """Return the data of the sections that are TOML by themselves, and the names of the jobs whose sections are not.

    A section is a header and what follows it up to the next one. A header that is there twice breaks its job.
    """
    starts = [0, *(found.start() for found in _HEADER.finditer(text)), len(text)]
    data: dict[str, Any] = {"jobs": {}}
    broken: set[str] = set()
    seen: set[str] = set()
    for start, end in itertools.pairwise(starts):
        section = text[start:end]
        header = section.partition("\n")[0] if start in starts[1:] else ""
        found = _loaded(section)
        if found is None or any(0xDC80 <= ord(char) <= 0xDCFF for char in section):
            broken |= _jobs_of(header)
            continue
        if header and header in seen:
            broken |= _jobs_of(header)
        seen.add(header)
        jobs = found.get("jobs")
        if isinstance(jobs, dict):
            broken |= {name for name, entry in jobs.items() if not _merged(data["jobs"], name, entry)}
    for name in broken:
        data["jobs"].pop(name, None)
    return data, broken


def _loaded(section: str) -> dict[str, Any] | None:
    import tomllib

    try:
        return tomllib.loads(section)
    except (tomllib.TOMLDecodeError, ValueError):
        return None


def _jobs_of(header: str) -> set[str]:
    """Return the name of the job that a header such as `[jobs.a.sla]` belongs to, in a set; empty if it names none."""
    line = re.match(r"[ \t]*(\[.*\])[ \t]*(#.*)?$", header)
    found = _loaded(line[1]) if line else None
    jobs = found.get("jobs") if found else None
    return set(jobs) if isinstance(jobs, Mapping) else set()


def _merged(into: dict[str, Any], key: str, value: Any) -> bool:
    """Put a value into a table, tables key by key; False where there is another one already."""
    existing = into.setdefault(key, value)
    if existing is value:
        return True
    if not isinstance(existing, dict) or not isinstance(value, dict):
        return False
    merged = [_merged(existing, inner, more) for inner, more in value.items()]
    return all(merged)
