"""The fleet and its runs as one file, which needs neither a server nor a store, nor anything from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from markupsafe import Markup

from batchtel_dashboards.history.run import Identity, Run
from batchtel_dashboards.history.selection import Selection
from batchtel_dashboards.history.text import LATEST
from batchtel_dashboards.web import rendering
from batchtel_dashboards.web.addresses import Addresses
from batchtel_dashboards.web.fleet import Filters, fleet
from batchtel_dashboards.web.run import Wanted, run
from batchtel_dashboards.web.sources import Sources

MOST: Final = 40
"""Runs that a file has at most: those that did not succeed before others, and the newest of each job."""

_OF_EACH: Final = 3
_READ: Final = 2000


class Fragments(Addresses):
    """Addresses within a file: of the runs that are in it, and of nothing else."""

    def __init__(self, anchors: Mapping[Identity, str]) -> None:
        self._anchors = anchors

    def fleet(self, **filters: object) -> str:
        """Return nothing: there is one fleet, without filters."""
        return ""

    def job(self, name: str, service: str | None = None, environment: str | None = None) -> str:
        """Return nothing: jobs are not in the file."""
        return ""

    def runs(self, **filters: object) -> str:
        """Return nothing: there is no list of runs."""
        return ""

    def run(self, one: Identity, **more: object) -> str:
        """Return the address of a run in the file, nothing if it is not there."""
        return self._anchors.get(one, "")


def report(sources: Sources, title: str, now: float, service: str = "") -> str:
    """Return the file as HTML, with the jobs, and runs of the last 24 hours.

    Args:
        sources: where the content comes from.
        title: what it is about.
        now: Unix time in seconds.
        service: only its jobs and runs; those of all services if empty.

    Raises:
        StoreError: The store of logs does not answer.
    """
    chosen = _chosen(sources.history.runs(Selection(now - 86400, LATEST, service=service or None), _READ))
    pages = [
        run(sources, Wanted(one.run_id, one.job, one.label, one.environment), now)
        for one in (found.identity for found in chosen)
    ]
    anchors = {found.identity: f"#run-{number}" for number, found in enumerate(chosen, 1)}
    style = rendering.style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return rendering.html(
        "report",
        Fragments(anchors),
        title=title,
        page=fleet(sources, Filters(service=service), now),
        listed=chosen,
        runs=pages,
        style=Markup(style),
        style_hash=f"sha256-{digest}",
        zone=time.strftime("UTC%z (%Z)"),
    )


def _chosen(runs: Sequence[Run]) -> list[Run]:
    """Return the runs of the file, newest first."""
    chosen: list[Run] = []
    of_jobs = Counter[tuple[str, bool]]()
    for failed in (True, False):
        for one in runs:
            key = one.identity.job, failed
            if (one.status != "success") is failed and of_jobs[key] < _OF_EACH and len(chosen) < MOST:
                of_jobs[key] += 1
                chosen.append(one)
    return sorted(chosen, key=lambda one: one.started, reverse=True)
