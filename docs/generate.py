"""Write every committed output again; `python docs/generate.py --check` prints what differs and exits with 1."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeGuard, get_args, get_origin

import compatibility
from pydantic import BaseModel

from batchtel.catalogue.keys import JOB, Kind, Table
from batchtel.catalogue.reader import read
from batchtel.schema.settings import SETTINGS
from batchtel.schema.signals import ATTRIBUTES, JOB_LABELS, METRICS, RESOURCE_LABELS
from batchtel.schema.spans_and_events import AIRFLOW_ATTRIBUTES, EVENTS, SPANS, SPARK_ATTRIBUTES, SPARK_SPANS
from batchtel_collector.environment import schema
from batchtel_collector.environment.model import Environment
from batchtel_collector.environment.role_variants import variants
from batchtel_collector.render.formats import file_name, formatted, forms
from batchtel_dashboards import rules
from batchtel_dashboards.alerts import expected, rule_file
from batchtel_dashboards.boards import catalogue, shipped
from batchtel_dashboards.engines import ENGINES
from batchtel_stack import container_files

ROOT = Path(__file__).resolve().parent.parent


def reference() -> str:
    """Write the reference of signals and settings from their tables."""
    return "\n".join(_reference()) + "\n"


def _reference() -> Iterator[str]:
    yield "# Reference\n"
    yield "Made by `make generate` from the tables of `instrumentation/batchtel/schema`.\n"
    yield "## Settings\n"
    yield "Where a row names several variables, the first that is set counts.\n"
    yield from _table(
        ("variable", "type", "default", "meaning"),
        [
            (
                ", ".join(f"`{name}`" for name in row.variables),
                row.type,
                f"`{row.default}`" if row.default else "",
                row.description,
            )
            for row in SETTINGS.values()
        ],
    )
    yield "\n## Job catalogue\n"
    yield "Keys of `jobs.toml`, which BATCHTEL_CATALOGUE names.\n"
    yield from _table(("key", "value", "meaning"), list(_catalogue(JOB, "jobs.NAME")))
    yield "\n## Environments\n"
    yield "Keys of environment files, beside `base` and `roles`; [environments.md](environments.md) explains them.\n"
    yield from _table(("key", "for example", "unset", "meaning"), list(_environment(Environment, "")))
    yield "\n## Metrics\n"
    yield "All counters and histograms are delta sums; a maximum is a gauge whose value is a Unix time.\n"
    yield from _table(
        ("metric", "unit", "kind", "in Prometheus", "labels", "meaning"),
        [
            (
                f"`{row.name}`",
                row.unit,
                row.kind,
                f"`{row.prometheus_name}`",
                ", ".join(f"`{key}`" for key in row.attributes),
                row.description,
            )
            for row in METRICS
        ],
    )
    yield "\nBucket bounds, fixed within a major version:\n"
    for row in METRICS:
        if row.bounds:
            yield f"- `{row.name}` ({row.unit}): " + " ".join(f"{bound:g}" for bound in row.bounds)
    yield (
        "\nResource attributes that become labels: "
        + ", ".join(f"`{key}` (as `{label}`)" for key, label in RESOURCE_LABELS.items())
        + ".\n"
    )
    yield "Labels where the environment has their values, by `catalogue` or `tags`:\n"
    yield from (f"- `{row.key}`: {row.description}" for row in JOB_LABELS)
    yield "\n## Recording rules\n"
    yield (
        "Names of the recording rules in Prometheus, for `aggregation: stock`; "
        "[operations.md](operations.md#recording-rules) explains them.\n"
    )
    for kind in ("increment", "max", "live"):
        names = (name for name in sorted(rules.names()) if name.endswith(f":{kind}"))
        yield f"- `:{kind}`: " + ", ".join(f"`{name}`" for name in names)
    yield "\n## Spans and events\n"
    yield from _table(
        ("span or event", "meaning", "attributes"),
        [
            (f"`{row.name}`", row.description, ", ".join(f"`{key}`" for key in row.attributes))
            for row in (*SPANS, *SPARK_SPANS, *EVENTS)
        ],
    )
    yield "\n## Attributes\n"
    yield from _table(
        ("attribute", "type", "label", "meaning"),
        [(f"`{row.key}`", row.type, "yes" if row.label else "", row.meaning) for row in ATTRIBUTES],
    )
    yield "\nSpans and events of Airflow's DAG runs and tasks carry on top:\n"
    yield from _table(
        ("attribute", "type", "meaning"), [(f"`{row.key}`", row.type, row.description) for row in AIRFLOW_ATTRIBUTES]
    )
    yield "\nSpans and events of Spark applications carry on top:\n"
    yield from _table(
        ("attribute", "type", "meaning"), [(f"`{row.key}`", row.type, row.description) for row in SPARK_ATTRIBUTES]
    )


def _catalogue(table: Table, above: str) -> Iterator[tuple[str, ...]]:
    for key, (kind, description) in table.keys.items():
        path = f"{above}.{key}"
        if isinstance(kind, Kind):
            yield f"`{path}`", kind.name, description
        else:
            yield f"`{path}`", "table", description
            yield from _catalogue(kind, path)


def _environment(section: type[BaseModel], prefix: str) -> Iterator[tuple[str, ...]]:
    """Yield the keys of a group and of the groups in it."""
    for key, field in section.model_fields.items():
        inner = [part for part in (*get_args(field.annotation), field.annotation) if _is_section(part)]
        name = f"{prefix}{key}.NAME" if get_origin(field.annotation) is dict and inner else f"{prefix}{key}"
        unset = "needed" if field.is_required() else f"`{json.dumps(field.default, default=BaseModel.model_dump)}`"
        example = "" if inner else f"`{(field.examples or [''])[0]}`"
        yield f"`{name}`", example, unset, field.description or ""
        for found in inner:
            yield from _environment(found, f"{name}.")


def _is_section(part: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(part, type) and issubclass(part, BaseModel)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "| " + " | ".join("---" for _ in head) + " |"
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def _rendered() -> Iterator[tuple[str, Callable[[], str]]]:
    for variant in variants():
        environment = variant.environment()
        for form in forms(environment):
            path = f"collector/batchtel_collector/rendered/{file_name(variant.stem, form)}"
            yield path, partial(formatted, environment, form, variant.stem)


def _boards() -> Iterator[tuple[str, Callable[[], str]]]:
    for aggregation in ENGINES:
        place = shipped.folder(aggregation).relative_to(ROOT)
        yield from ((f"{place}/{uid}.json", partial(catalogue.text, uid, aggregation)) for uid in catalogue.BOARDS)


def _alerts() -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield the alert rules of the catalogue that `batchtel jobs init` writes, for each way to aggregate."""
    jobs = expected.jobs(read(ROOT / "instrumentation/batchtel/catalogue/jobs.toml"))
    for name in ENGINES:
        yield f"dashboards/batchtel_dashboards/generated/alerts-{name}.yaml", partial(rule_file.text, jobs, name)


def _containers() -> Iterator[tuple[str, Callable[[], str]]]:
    for path in container_files.PATHS:
        yield f"compose/configuration/{path}", partial(container_files.text, path)


OUTPUTS: dict[str, Callable[[], str]] = {
    "docs/reference.md": reference,
    "docs/compatibility.md": lambda: "\n".join(compatibility.page()),
    "dashboards/batchtel_dashboards/generated/rules.yaml": rules.text,
    "collector/batchtel_collector/environment.schema.json": schema.text,
    **dict(_alerts()),
    **dict(_rendered()),
    **dict(_boards()),
    **dict(_containers()),
}
"""Every committed output, by path from the root, and what makes it."""


def main(arguments: list[str]) -> int:
    """Write every output, or with `--check` compare it; return the exit code."""
    check = arguments == ["--check"]
    differing = [path for path, make in OUTPUTS.items() if not _current(ROOT / path, make())]
    for path in differing:
        if check:
            print(f"{path} is not what its source makes; run: make generate", file=sys.stderr)
        else:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(OUTPUTS[path]())
            print(f"wrote {path}", file=sys.stderr)
    return 1 if check and differing else 0


def _current(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
