"""The kinds of panels that boards are made of, each with what all of them share: unit, limits, description, links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.builders import heatmap, piechart, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models import piechart as piechart_models
from grafana_foundation_sdk.models import prometheus as prometheus_models

from batchtel_dashboards.boards.sources import PROMETHEUS, Source
from batchtel_dashboards.panel_queries import STATE_CODES

TIME: Final = "${__url_time_range}"
"""The time that a board shows, for links."""

Limits = Sequence[tuple[float | None, str]]
"""Colours by value: each holds from its value on, the first from anything on."""

NO_LIMIT: Final[Limits] = ((None, "blue"),)
"""For numbers that are neither good nor bad by themselves."""

ANY_IS_BAD: Final[Limits] = ((None, "green"), (1, "red"))
"""For counts of what should not happen."""

STATE_COLOURS: Final[Mapping[str, str]] = {
    "scheduled": "#8e8e8e",
    "queued": "purple",
    "running": "blue",
    "retrying": "yellow",
    "success": "green",
    "failure": "red",
    "timeout": "orange",
    "cancelled": "#c0c0c0",
    "skipped": "#e0e0e0",
    "lost": "dark-red",
    "dead_letter": "dark-purple",
}


@dataclass(frozen=True)
class Query:
    """PromQL with the text of its legend; `instant` reads the newest values only."""

    expr: str
    legend: str = "__auto"
    instant: bool = False
    exemplar: bool = False


@dataclass(frozen=True)
class Link:
    """Where a panel leads on: a title and a URL, which may have variables of Grafana."""

    title: str
    url: str


@dataclass(frozen=True)
class Panel:
    """One panel without its place: its builder, and its size in columns of 24 and in rows of 30 pixels."""

    builder: Any
    width: int
    height: int


@dataclass(frozen=True)
class Column:
    """A column of numbers of a table: a query for its values, its unit and its limits."""

    name: str
    expr: str
    unit: str
    limits: Limits = NO_LIMIT


@dataclass(frozen=True)
class Text:
    """What a reader sees beside the values: the title, how to read the panel, and where it leads on."""

    title: str
    description: str
    links: Sequence[Link] = field(default_factory=tuple)


def reference(source: Source) -> common.DataSourceRef:
    """Return the data source that a board's variable selects."""
    return common.DataSourceRef(type_val=source.plugin, uid=f"${{{source.variable}}}")


def single(text: Text, unit: str, query: str, limits: Limits, *, width: int = 4, decimals: int | None = None) -> Panel:
    """Return a panel with one number, the newest; without data it shows that there is none."""
    panel = _shared(stat.Panel(), text, unit, limits).no_value("no data").graph_mode(common.BigValueGraphMode.NONE)
    panel.with_target(_target(Query(query, instant=True), "A"))
    panel.reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
    if decimals is not None:
        panel.decimals(decimals)
    return Panel(panel, width, 4)


def chart(
    text: Text,
    unit: str,
    queries: Sequence[Query],
    limits: Limits = NO_LIMIT,
    *,
    style: Literal["line", "bars"] = "line",
    width: int = 12,
    step: str = "5m",
    most: float | None = None,
) -> Panel:
    """Return values over time, with at least `step` between two points; gaps stay gaps."""
    panel = _shared(timeseries.Panel(), text, unit, limits).no_value("no data").interval(step)
    panel.color_scheme(dashboards.FieldColor().mode(dashboard.FieldColorModeId.PALETTE_CLASSIC))
    panel.legend(common_builders.VizLegendOptions().show_legend(True).placement(common.LegendPlacement.BOTTOM))
    panel.tooltip(common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
    panel.show_points(common.VisibilityMode.ALWAYS if style == "line" else common.VisibilityMode.NEVER)
    panel.min(0)
    if style == "bars":
        panel.draw_style(common.GraphDrawStyle.BARS).fill_opacity(80)
        panel.stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL))
    if most is not None:
        panel.max(most)
    if len(limits) > 1:
        mode = common.GraphThresholdsStyleMode.LINE
        panel.thresholds_style(common_builders.GraphThresholdsStyleConfig().mode(mode))
    for name, query in zip("ABCDEFGH", queries, strict=False):
        panel.with_target(_target(query, name))
    return Panel(panel, width, 8)


def rows(text: Text, columns: Sequence[Column], *, width: int = 12, height: int = 8) -> Panel:
    """Return a table with one row for each set of labels and one column for each query."""
    first = columns[0]
    panel = _shared(table.Panel(), text, first.unit, first.limits).no_value("no data").filterable(True)
    for name, column in zip("ABCDEFGH", columns, strict=False):
        target = prometheus.Dataquery().expr(column.expr).ref_id(name).instant()
        panel.with_target(target.format(prometheus_models.PromQueryFormat.TABLE).datasource(reference(PROMETHEUS)))
        steps = dashboard.ThresholdsConfig(dashboard.ThresholdsMode.ABSOLUTE, _steps(column.limits))
        panel.override_by_name(
            column.name,
            [
                dashboard.DynamicConfigValue("unit", column.unit),
                dashboard.DynamicConfigValue("thresholds", steps),
                dashboard.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
            ],
        )
    panel.with_transformation(dashboard.DataTransformerConfig("merge", options={}))
    values = {f"Value #{name}": column.name for name, column in zip("ABCDEFGH", columns, strict=False)}
    names = values if len(columns) > 1 else {"Value": first.name, **values}
    options = {"excludeByName": {"Time": True}, "renameByName": names}
    panel.with_transformation(dashboard.DataTransformerConfig("organize", options=options))
    panel.sort_by([common_builders.TableSortByFieldState().display_name(first.name).desc(True)])
    return Panel(panel, width, height)


def states(text: Text, query: Query, *, width: int = 24, height: int = 9) -> Panel:
    """Return a line for each job or step with its states over time; `query` is a state_code()."""
    panel = _shared(statetimeline.Panel(), text, "none", NO_LIMIT).no_value("no data").interval("5m")
    mapped = {
        str(code): dashboard.ValueMappingResult(text=state, color=STATE_COLOURS[state], index=code)
        for state, code in STATE_CODES.items()
    }
    panel.mappings([dashboard.ValueMap(mapped)]).merge_values(True).with_target(_target(query, "A"))
    return Panel(panel, width, height)


def heat(text: Text, unit: str, query: str, *, width: int = 12) -> Panel:
    """Return a heat map of a histogram; `query` is a buckets()."""
    panel = _shared(heatmap.Panel(), text, "short", NO_LIMIT).no_value("no data").interval("5m")
    panel.y_axis(heatmap.YAxisConfig().unit(unit)).calculate(False)
    target = _target(Query(query, "{{le}}"), "A").format(prometheus_models.PromQueryFormat.HEATMAP)
    panel.with_target(target)
    return Panel(panel, width, 8)


def shares(text: Text, unit: str, query: Query, *, width: int = 6) -> Panel:
    """Return a pie with one slice for each set of labels."""
    panel = _shared(piechart.Panel(), text, unit, NO_LIMIT).no_value("no data").with_target(_target(query, "A"))
    panel.color_scheme(dashboards.FieldColor().mode(dashboard.FieldColorModeId.PALETTE_CLASSIC))
    legend = piechart.PieChartLegendOptions().show_legend(True).placement(common.LegendPlacement.RIGHT)
    panel.legend(legend.display_mode(common.LegendDisplayMode.TABLE).values([_VALUE]))
    return Panel(panel, width, 8)


def with_links(panel: Any, links: Sequence[Link]) -> Any:
    """Return the builder with a menu of links at each value, and at its title."""
    made = [dashboards.DashboardLink(link.title).type(_LINK).url(link.url) for link in links]
    # A title has no value, so links with a value's labels are at values only.
    at_title = [one for one, link in zip(made, links, strict=True) if "${__" not in link.url.replace(TIME, "")]
    return panel.links(at_title).data_links(made)


def _shared(panel: Any, text: Text, unit: str, limits: Limits) -> Any:
    panel.title(text.title).description(text.description).unit(unit).datasource(reference(PROMETHEUS))
    panel.thresholds(dashboards.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(_steps(limits)))
    return with_links(panel, text.links)


def _steps(limits: Limits) -> list[dashboard.Threshold]:
    return [dashboard.Threshold(value, colour) for value, colour in limits]


def _target(query: Query, name: str) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).ref_id(name).legend_format(query.legend)
    target.datasource(reference(PROMETHEUS))
    if query.exemplar:
        target.exemplar(True)
    return target.instant() if query.instant else target.range()


_LINK: Final = dashboard.DashboardLinkType.LINK
_VALUE: Final = piechart_models.PieChartLegendValues.VALUE
