"""The environment of Spark's executors: what a Python worker needs to find the run, its trace and the collector.

Spark sets `spark.executorEnv.NAME` for its executors, and for the Python workers of a local driver, too
(https://spark.apache.org/docs/latest/configuration.html#runtime-environment).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Final

from batchtel.base.calls import public
from batchtel.base.guard import warn_once
from batchtel.base.start_environment import TRACE_VARIABLES
from batchtel.runs import unrecorded

PREFIX: Final = "spark.executorEnv."
"""How keys of the configuration begin that name variables of the executors."""

_OURS: Final = ("OTEL_", "BATCHTEL_")

_HEADERS: Final = "_HEADERS"
"""How the names of variables end whose values are credentials as a rule."""


def configure(conf: Any = None) -> dict[str, Any]:
    """Return a configuration with the variables that Python workers need: TRACEPARENT, OTEL_* and BATCHTEL_*.

    What `conf` has already stays as it is. Credentials are left out, with a warning: Spark shows its configuration in
    its UI and in its event log.

    Args:
        conf: A mapping, pairs, or a SparkConf; it is not changed.
    """
    given = _pairs(conf) or {}
    found = _executor_variables() or {}
    added = {f"{PREFIX}{name}": value for name, value in found.items()}
    added = {key: value for key, value in added.items() if key not in given}
    if not added:
        why = "it has all of them" if found else "no OTEL_* or BATCHTEL_* variable is set, and no run is open"
        warn_once("spark:configure", "configure() adds nothing to the configuration of Spark: %s", why)
    return {**given, **added}


@public(None, call='configure({"spark.master": "local[2]"})')
def _pairs(conf: Any) -> dict[str, Any]:
    pairs: Mapping[str, Any] | Iterable[tuple[str, Any]] = conf.getAll() if hasattr(conf, "getAll") else conf or {}
    return dict(pairs)


@public(None, call="configure({})")
def _executor_variables() -> dict[str, str]:
    return variables()


def variables() -> dict[str, str]:
    """Return the variables of the environment, and those of the current run; empty while batchtel is off."""
    if unrecorded.is_all():
        return {}
    from batchtel.redact.patterns import Redaction
    from batchtel.runs import current

    found = {name: value for name, value in os.environ.items() if name.startswith(_OURS) or name in TRACE_VARIABLES}
    scope = current.scope()
    if scope is not None and scope.recorder.opened_with is not None:
        found |= scope.job.mark.variables() if scope.job.mark is not None else {}
        found["TRACEPARENT"] = scope.recorder.traceparent
    cleaned = Redaction("").attributes(found)
    secret = sorted(name for name, value in found.items() if cleaned[name] != value or name.endswith(_HEADERS))
    if secret:
        left_out = "Spark's executors do not get %s from batchtel, because Spark shows their environment in its UI"
        warn_once("spark:secret", left_out, ", ".join(secret))
    return {name: value for name, value in found.items() if name not in secret}


def give(context: Any) -> dict[str, str]:
    """Add the variables to what Spark sets for Python workers of `context`; return those that were not there."""
    # Spark's own dictionary, with `spark.executorEnv.*` in it.
    added = {name: value for name, value in variables().items() if name not in context.environment}
    context.environment.update(added)
    return added


def clear(context: Any, given: Mapping[str, str]) -> None:
    """Remove the variables that `give` has added."""
    for name, value in given.items():
        if context.environment.get(name) == value:
            del context.environment[name]
