"""The renderer: an environment and the table of signals become one collector configuration."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeVar

from jinja2 import Environment as Templates
from jinja2 import FileSystemLoader, StrictUndefined

import batchtel_collector
from batchtel.schema import limits, signals
from batchtel.version import __version__
from batchtel_collector.environment.destinations import STREAM_FIELDS, Destination
from batchtel_collector.environment.durations_and_sizes import go_duration
from batchtel_collector.environment.model import Environment
from batchtel_collector.environment.sections import Component
from batchtel_collector.render import airflow_conditions, folding, overrides, pods, prometheus_names, quoting

_Key = TypeVar("_Key")

TEMPLATES: Final = Path(__file__).parent / "templates"
"""Folder of the templates; collector.yaml.j2 is the whole, every other file one part of it."""

RENDERED: Final = Path(batchtel_collector.__file__).parent / "rendered"
"""Folder of the configurations of the shipped environments, as rendered by this version."""

GENERATED: Final = "# Generated, do not edit: batchtel "
"""The beginning of the second line of each rendered file; the command follows."""

ENVIRONMENT_LABELS: Final = ("deployment_environment_name",)
"""Labels that the pipeline itself copies from the resource."""

WRITER: Final = ("batchtel.writer",)
"""The attribute of a resource and a point with the identity of the sender, which run_rollup consumes."""

KEPT_ON_RECORDS: Final = (
    "event_name",
    "batch.clock.time",
    "batch.truncated",
    *(attribute.key for attribute in signals.ATTRIBUTES if not attribute.label),
    "service.instance.id",
)
"""Attributes of a log record that stay when it has more than its store accepts."""


def render(environment: Environment, typed: str = "") -> str:
    """Return the collector's configuration as YAML text, with `typed` as its --env in the header if it has no name.

    Raises InvalidDocumentError when the file that `overrides` names cannot be merged over it.
    """
    metrics = environment.metrics
    ruled = {name: rule for name, rule in metrics.items() if not rule.drop}
    labels = list(dict.fromkeys([*signals.labels(), *environment.job_labels, *environment.labels]))
    text = (
        templates()
        .get_template("collector.yaml.j2")
        .render(
            environment=environment,
            title=environment.name if environment.role == "standalone" else f"{environment.name}, {environment.role}",
            command=f"batchtel config render --env {typed or environment.name} --role {environment.role}",
            version=__version__,
            tokens=tokens(environment),
            five_minutes=timedelta(minutes=5),
            names=_names,
            signals=signals.METRICS,
            writer=WRITER,
            all_names=[metric.name for metric in signals.METRICS],
            labels=signals.labels(),
            all_labels=tuple(dict.fromkeys([*labels, *(label for rule in ruled.values() for label in rule.labels)])),
            user_labels=tuple(labels),
            environment_labels=ENVIRONMENT_LABELS,
            ruled=ruled,
            dropped=[name for name, rule in metrics.items() if rule.drop],
            families=_grouped(((*row.attributes, *environment.job_labels), row.name) for row in signals.METRICS),
            layouts=_grouped((metric.bounds, metric.name) for metric in signals.METRICS if metric.bounds),
            units=_grouped((metric.unit, metric.name) for metric in signals.METRICS),
            closed_labels=_closed_labels(environment),
            one_of_several=_one_of_several(environment),
            name_limit=limits.NAME_LIMIT,
            kept_on_records=KEPT_ON_RECORDS,
            airflow=airflow_conditions,
            but_no_family=f" and {airflow_conditions.OTHER_FAMILY}" if environment.airflow_metrics else "",
            prometheus_names=prometheus_names,
            statsd=environment.listen.statsd is not None,
            own_logs=_own_logs(environment),
            stream_fields=STREAM_FIELDS,
            lists=[attribute.key for attribute in signals.ATTRIBUTES if attribute.type.endswith("[]")],
        )
    )
    text = folding.folded(re.sub(r"\n{3,}", "\n\n", text).rstrip())
    return overrides.merged(text, Path(environment.overrides)) if environment.overrides else text


def templates() -> Templates:
    """Return the templates of the folder, in which a name without a value is an error."""
    found = Templates(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    found.filters |= quoting.FILTERS | {"duration": go_duration, "joining": _joining}
    return found


def tokens(environment: Environment) -> dict[str, str]:
    """Return the bearer tokens of an environment's role, by the name of what they open: references, all of them."""
    found = {"senders": environment.token} | {
        key: destination.token for key, destination in environment.destinations.items()
    }
    return {name: token for name, token in found.items() if token is not None}


def _own_logs(environment: Environment) -> list[Destination]:
    """Return where a collector's own log records go: the stores of logs, but none whose token is a file elsewhere.

    The collector resolves a file only when it starts, and fails without it, as `config check` would on another machine;
    in a pod it is there.
    """
    if environment.role == "agent":
        return []
    found = []
    for key, store in environment.storing("logs").items():
        if store.token is not None and store.token.startswith(f"{pods.SECRETS}/"):
            store = store.model_copy(update={"token": f"${{file:{store.token}}}"})
        if key != "vendor" and (store.token is None or store.token.startswith("$")):
            found.append(store)
    return found


def _joining(components: Mapping[str, Component], signal: str) -> list[str]:
    return [name for name, component in components.items() if signal in component.signals]


def _names(kind: signals.Kind) -> list[str]:
    return [metric.name for metric in signals.METRICS if metric.kind == kind]


def _grouped(pairs: Iterable[tuple[_Key, str]]) -> list[tuple[_Key, list[str]]]:
    groups: dict[_Key, list[str]] = {}
    for key, name in pairs:
        groups.setdefault(key, []).append(name)
    return list(groups.items())


def _one_of_several(environment: Environment) -> list[tuple[str, dict[str, str]]]:
    """Return per label its values, each with the expression of texts with commas that have the value among them."""
    return [
        (label, {value: rf"(^|,) *{re.escape(value)} *(,|$)" for value in values})
        for label, values in environment.job_labels.items()
    ]


def _closed_labels(environment: Environment) -> list[tuple[str, list[str]]]:
    """Return the labels whose values are listed; any other value becomes `other`."""
    closed = [
        ("job_type", [*environment.job_types, "other"]),
        *((row.key, list(row.values)) for row in signals.ATTRIBUTES if row.label and row.values),
        *((label, [*values, "other"]) for label, values in environment.job_labels.items()),
    ]
    if environment.unknown_jobs == "other":
        closed.insert(0, ("job_name", [*environment.job_names, "other"]))
    return closed
