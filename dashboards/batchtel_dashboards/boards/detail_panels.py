"""The kinds of panels that show single runs: tables of events, log records, and traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.builders import logs as logs_panel
from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common, dashboard

from batchtel_dashboards.boards.panels import Link, Panel, Text, reference, with_links
from batchtel_dashboards.boards.sources import Source


@dataclass(frozen=True)
class Field:
    """A column of a table of events: the key in the store, the title, the unit."""

    key: str
    name: str
    unit: str = "string"


def events(
    text: Text, source: Source, query: Mapping[str, Any], fields: Sequence[Field], *, link: Link | None = None
) -> Panel:
    """Return a table with one row for each log record and a column for each field; `link` is of the first one."""
    panel = _titled(table.Panel(), text, source).unit("string").no_value("no data").filterable(True)
    panel.thresholds(dashboards.ThresholdsConfig().steps([dashboard.Threshold(None, "text")]))
    panel.with_target(_Target(source, query))
    extract = {"source": "labels", "format": "json", "replace": False, "keepTime": True}
    panel.with_transformation(dashboard.DataTransformerConfig("extractFields", options=extract))
    names = {"include": {"names": ["Time", *(field.key for field in fields)]}}
    panel.with_transformation(dashboard.DataTransformerConfig("filterFieldsByName", options=names))
    order = {key: index for index, key in enumerate(["Time", *(field.key for field in fields)])}
    renamed = {field.key: field.name for field in fields}
    options = {"indexByName": order, "renameByName": renamed}
    panel.with_transformation(dashboard.DataTransformerConfig("organize", options=options))
    # Stores of logs return texts; a unit needs numbers.
    numbers = [field for field in fields if field.unit != "string"]
    conversions = [{"targetField": field.name, "destinationType": "number"} for field in numbers]
    panel.with_transformation(
        dashboard.DataTransformerConfig("convertFieldType", options={"conversions": conversions, "fields": {}})
    )
    for field in numbers:
        panel.override_by_name(field.name, [dashboard.DynamicConfigValue("unit", field.unit)])
    if link:
        value = [{"title": link.title, "url": link.url}]
        panel.override_by_name(fields[0].name, [dashboard.DynamicConfigValue("links", value)])
    return Panel(panel, 24, 7)


def lines(text: Text, source: Source, query: Mapping[str, Any], *, height: int = 12) -> Panel:
    """Return log records as lines, the oldest first."""
    panel = _titled(logs_panel.Panel(), text, source).show_time(True).wrap_log_message(True)
    panel.sort_order(common.LogsSortOrder.ASCENDING).enable_log_details(True).with_target(_Target(source, query))
    return Panel(panel, 24, height)


def spans(text: Text, source: Source, query: Mapping[str, Any]) -> Panel:
    """Return a table of traces or spans, whose first column opens the trace."""
    panel = _titled(table.Panel(), text, source).unit("none").no_value("no data")
    panel.thresholds(dashboards.ThresholdsConfig().steps([dashboard.Threshold(None, "text")]))
    return Panel(panel.with_target(_Target(source, query)), 24, 8)


class _Query(Dataquery):
    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content

    def to_json(self) -> dict[str, Any]:
        """Return the query as it is in the JSON of a board."""
        return dict(self._content)


class _Target(Builder[Dataquery]):
    """A query of one product; the SDK has no builders for those of VictoriaLogs and Jaeger."""

    def __init__(self, source: Source, content: Mapping[str, Any]) -> None:
        self._content = {"refId": "A", "datasource": reference(source), **content}

    def build(self) -> Dataquery:
        return _Query(self._content)


def _titled(panel: Any, text: Text, source: Source) -> Any:
    panel.title(text.title).description(text.description).datasource(reference(source))
    return with_links(panel, text.links)
