"""The server of the pages: which address shows what."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from batchtel_dashboards.history.selection import Selection
from batchtel_dashboards.history.text import LATEST
from batchtel_dashboards.web import rendering
from batchtel_dashboards.web.addresses import Addresses
from batchtel_dashboards.web.fleet import Filters, fleet
from batchtel_dashboards.web.guard import Guard
from batchtel_dashboards.web.job import job
from batchtel_dashboards.web.pipeline import pipeline
from batchtel_dashboards.web.run import SINCE, Wanted, run
from batchtel_dashboards.web.runs import Filters as RunFilters
from batchtel_dashboards.web.runs import runs
from batchtel_dashboards.web.sources import Sources, part

_TO: Final = Addresses()


def app(sources: Sources, token: str | None = None) -> ASGIApp:
    """Return the server; it answers GET and HEAD only.

    Args:
        sources: where the pages have their content from.
        token: what each request needs; None for loopback.
    """
    pages = _Pages(sources)
    server = Starlette(
        routes=[
            Route("/", pages.fleet),
            Route("/job", pages.job),
            Route("/runs", pages.runs),
            Route("/run", pages.run),
            Route("/pipeline", pages.pipeline),
            Route("/find", pages.find),
            Route("/healthz", _healthy),
            Mount("/static", StaticFiles(directory=rendering.FOLDER / "static")),
        ],
        exception_handlers={HTTPException: _problem, Exception: _failed},
    )
    # Around all of it: the page about an error has the headers, too.
    return Guard(server, token)


class _Pages:
    """The pages; each is answered in a thread of its own, because the clients of stores wait."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def fleet(self, request: Request) -> Response:
        query = request.query_params
        filters = Filters(
            query.get("q", "").strip(),
            query.get("state", ""),
            query.get("service", ""),
            query.get("environment", ""),
            _page(query),
        )
        page = fleet(self._sources, filters, time.time())
        return _answer("fleet", "Fleet", page, found=page.jobs.content is not None)

    def job(self, request: Request) -> Response:
        query = request.query_params
        name = query.get("name", "")
        page = job(self._sources, name, query.get("service"), query.get("environment"), time.time())
        missing = page.state is None and not page.states.content and not page.has_runs
        return _answer("job", name, page, found=not page.states.problem, missing=missing)

    def runs(self, request: Request) -> Response:
        names = ("job", "status", "since", "until", "run", "service", "environment")
        given = {name: request.query_params[name] for name in names if name in request.query_params}
        page = runs(self._sources, RunFilters(**given), time.time())
        return _answer("runs", "Runs", page, found=page.runs.content is not None)

    def run(self, request: Request) -> Response:
        query = request.query_params
        wanted = Wanted(
            query.get("id", ""),
            query.get("job", ""),
            query.get("service"),
            query.get("environment"),
            query.get("text", ""),
            query.get("severity", ""),
            _page(query),
        )
        page = run(self._sources, wanted, time.time())
        missing = page.candidates.content == []
        return _answer("run", f"Run {wanted.run_id}", page, found=page.candidates.content is not None, missing=missing)

    def pipeline(self, request: Request) -> Response:
        return _answer("pipeline", "Pipeline", pipeline(self._sources, time.time()))

    def find(self, request: Request) -> Response:
        text, now = request.query_params.get("q", "").strip(), time.time()
        if not text:
            return RedirectResponse(_TO.fleet(), 303)
        found = part(lambda: self._sources.history.candidates(Selection(now - SINCE, LATEST), text))
        if found.content and len(found.content) == 1:
            return RedirectResponse(_TO.run(found.content[0].identity), 303)
        # The page of runs names the problem, too.
        several = found.content or found.problem
        return RedirectResponse(_TO.runs(run=text, since="400d") if several else _TO.fleet(q=text), 303)


@dataclass(frozen=True)
class _Problem:
    """A page that has the reason why there is no other."""

    text: str
    now: float
    refreshes: bool = False


def _answer(name: str, title: str, page: Any, *, found: bool = True, missing: bool = False) -> Response:
    """Return a page: with 404 if it is about nothing that exists, with 503 if the store that it needs is away."""
    zone = time.strftime("UTC%z (%Z)")
    text = rendering.html("page", name=name, title=title, page=page, zone=zone)
    return HTMLResponse(text, 404 if found and missing else 200 if found else 503)


def _page(query: Mapping[str, str]) -> int:
    text = query.get("page", "")
    return max(int(text), 1) if text.isascii() and text.isdigit() and len(text) < 6 else 1


def _healthy(_: Request) -> Response:
    return PlainTextResponse("ok\n")


def _problem(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    text = "There is no such page." if status == 404 else f"The request cannot be answered (status {status})."
    page = _Problem(text, time.time())
    answer = _answer("problem", "No page" if status == 404 else "Problem", page)
    answer.status_code = status
    return answer


def _failed(_: Request, error: Exception) -> Response:
    page = _Problem(f"The page cannot be shown because of an error in batchtel: {type(error).__name__}.", time.time())
    answer = _answer("problem", "Error", page)
    answer.status_code = 500
    return answer
