"""Old keys of environment files: each is an error with the new key and its line."""

from __future__ import annotations

from typing import Final

from batchtel_collector.environment.catalogue import Catalogue
from batchtel_collector.environment.document import Document, Path, Problem, dotted

RENAMED: Final[dict[Path, Path]] = {
    ("cadence",): ("export_interval",),
    ("sender",): ("jobs",),
    ("extras",): ("overrides",),
    ("shard",): ("instance",),
    ("listen", "series"): ("listen", "scrape"),
    ("expected", "airflow"): ("airflow_metrics",),
}
"""Old key -> new key; the value is written as before."""

NAMES: Final = (
    "jobs: the names of jobs are now in the job catalogue; write catalogue: ./jobs.toml in place of the list "
    "(`batchtel jobs init` writes one)"
)
"""Message about `jobs` with a list of names; the key now has what was `sender`."""

LABELS: Final = (
    "job_labels is now catalogue and tags; write catalogue: ./jobs.toml, whose owners and teams become labels, "
    "and tags: [...] for tags of Airflow"
)
"""Message about `job_labels`."""


def report(document: Document) -> None:
    """Report each old key in `problems`, and move its value to the new key, in place, so that it is validated too."""
    data = document.data
    roles = data.get("roles") if isinstance(data, dict) else None
    for above in ((), *(("roles", str(role)) for role in (roles if isinstance(roles, dict) else ()))):
        _drop(document, (*above, "job_labels"), LABELS)
        if isinstance(_group(document, above).get("jobs"), list):
            _drop(document, (*above, "jobs"), NAMES)
            _group(document, above).setdefault("catalogue", Catalogue())
        for old, new in RENAMED.items():
            _move(document, (*above, *old), (*above, *new))


def _group(document: Document, path: Path) -> dict[str, object]:
    """Return the group of keys at `path`; an empty one where there is none."""
    found = document.data
    for key in path:
        found = found.get(str(key)) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _drop(document: Document, path: Path, message: str) -> None:
    group, key = _group(document, path[:-1]), str(path[-1])
    if key in group:
        document.problems.append(Problem(message, path, document.keys.get(path)))
        del group[key]


def _move(document: Document, old: Path, new: Path) -> None:
    group = _group(document, old[:-1])
    value = group.get(str(old[-1]))
    if str(old[-1]) not in group:
        return
    _drop(document, old, f"{dotted(old)} is now {dotted(new)}")
    target = _group(document, new[:-1])
    if str(new[-1]) in target:
        return
    target[str(new[-1])] = value
    for places in (document.values, document.keys):
        places.update({(*new, *path[len(old) :]): place for path, place in places.items() if path[: len(old)] == old})
