"""The addresses of pages; what they are about is in the query, where every name can be written."""

from __future__ import annotations

from urllib.parse import urlencode

from batchtel_dashboards.history.run import Identity


class Addresses:
    """Addresses on the server that answers them."""

    def fleet(self, **filters: object) -> str:
        """Return the address of all jobs, or of those that filters select."""
        return _address("/", filters)

    def job(self, name: str, service: str | None = None, environment: str | None = None) -> str:
        """Return the address of a job, in one service, as metrics have it, and environment; "" is none, None any."""
        return _address("/job", {"name": name}) + _exactly(service, environment)

    def runs(self, **filters: object) -> str:
        """Return the address of the list of runs that filters select."""
        return _address("/runs", filters)

    def run(self, one: Identity, **more: object) -> str:
        """Return the address of a run."""
        return _address("/run", {"id": one.run_id, "job": one.job, **more}) + _exactly(one.label, one.environment)

    def pipeline(self) -> str:
        """Return the address of the page about collectors and stores."""
        return "/pipeline"

    def style(self) -> str:
        """Return the address of the style sheet."""
        return "/static/style.css"


def _exactly(service: str | None, environment: str | None) -> str:
    """Return parameters that are there without a value, too: a job without an environment is one of its own."""
    given = {key: text for key, text in (("service", service), ("environment", environment)) if text is not None}
    return f"&{urlencode(given, errors='replace')}" if given else ""


def _address(path: str, query: dict[str, object]) -> str:
    given = {key: value for key, value in query.items() if value not in (None, "")}
    # A lone surrogate of a name in JSON has no UTF-8.
    return f"{path}?{urlencode(given, errors='replace')}" if given else path
