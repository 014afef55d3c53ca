"""The OTEL_* variables of the caller: settings that cannot work, and settings that are discouraged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from batchtel.export.endpoint import SIGNALS, Endpoint
from batchtel.schema.settings import read
from batchtel_stack.doctor.finding import Finding

CHECK: Final = "variables"

_TEMPORALITY: Final = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
_LONGEST_INTERVAL: Final = 30.0


def endpoints(environ: Mapping[str, str]) -> tuple[list[Endpoint], list[Finding]]:
    """Return the endpoint of each signal, and the problems of signals without one."""
    settings = read(environ)
    if settings.disabled:
        return [], [Finding(CHECK, "input", "OTEL_SDK_DISABLED=true turns telemetry off", "unset OTEL_SDK_DISABLED")]
    if not settings.has_endpoint:
        fix = "export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 (where `batchtel stack up` listens)"
        return [], [Finding(CHECK, "input", "OTEL_EXPORTER_OTLP_ENDPOINT is not set, so jobs record nothing", fix)]
    found: list[Endpoint] = []
    problems: dict[str, Finding] = {}
    for signal in SIGNALS:
        try:
            endpoint = Endpoint.of(signal, settings)
        except ValueError as error:
            message, _, fix = str(error).partition("; ")
            problems[message] = Finding(CHECK, "input", message, fix or "write http://host:port")
            continue
        if endpoint is None:
            fix = f"set OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT, or OTEL_EXPORTER_OTLP_ENDPOINT for all signals"
            problems[signal] = Finding(CHECK, "input", f"{signal} have no endpoint, so they are not sent", fix)
        else:
            found.append(endpoint)
    return found, list(problems.values())


def discouraged(environ: Mapping[str, str], *, recommended: bool) -> Iterator[Finding]:
    """Yield settings of the export of metrics that work but are discouraged.

    One finding of ok if there are none, where all other variables are as `recommended`.
    """
    found = [*_unread(environ), *_temporality(environ), *_interval(environ), *_timeout(environ)]
    if recommended and not found:
        found = [Finding(CHECK, "ok", "temporality, interval and timeouts are as recommended")]
    yield from found


def _unread(environ: Mapping[str, str]) -> Iterator[Finding]:
    for problem in read(environ).problems:
        variable = problem.partition("=")[0]
        yield Finding(CHECK, "input", problem, f"correct or unset {variable}")


def _temporality(environ: Mapping[str, str]) -> Iterator[Finding]:
    value = environ.get(_TEMPORALITY, "").strip()
    if value and value.lower() != "delta":
        yield Finding(
            CHECK,
            "wrong",
            f"{_TEMPORALITY}={value}: metrics of other libraries are sent as totals, which are counted again when the "
            "collector restarts while the job runs",
            f"export {_TEMPORALITY}=delta",
        )


def _interval(environ: Mapping[str, str]) -> Iterator[Finding]:
    seconds = read(environ).metric_interval
    if seconds > _LONGEST_INTERVAL:
        yield Finding(
            CHECK,
            "wrong",
            f"OTEL_METRIC_EXPORT_INTERVAL is {seconds:g} s: between two exports a live run looks like a lost one, and "
            "what a killed job counted since is lost",
            "export OTEL_METRIC_EXPORT_INTERVAL=15000 (milliseconds; at most 30000)",
        )


def _timeout(environ: Mapping[str, str]) -> Iterator[Finding]:
    seconds = read(environ).export_timeout
    if seconds >= 1000:
        yield Finding(
            CHECK,
            "wrong",
            f"OTEL_EXPORTER_OTLP_TIMEOUT={seconds:g} is {seconds / 3600:.1f} hours: Python reads seconds here",
            "export OTEL_EXPORTER_OTLP_TIMEOUT=10",
        )
