"""A board: sections of panels on a grid, variables, links to the other boards; and how classic JSON is built of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard

from batchtel_dashboards.boards.panels import Panel
from batchtel_dashboards.boards.sources import Source

COLUMNS: Final = 24
"""Width of Grafana's grid."""

TAG: Final = "batchtel"
"""Tag of every board; the links between boards are made of it."""


@dataclass(frozen=True)
class Section:
    """A row with a title and the panels below it, from left to right."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Board:
    """What one module of this package describes.

    Attributes:
        title: its name in Grafana.
        description: the questions that it answers.
        sources: the data sources that it reads; each has a variable.
        variables: builders of its other variables, in the order of their dependence.
        sections: its rows.
        span: the time that it shows first, such as `24h`.
    """

    title: str
    description: str
    sources: Sequence[Source]
    variables: Sequence[Any]
    sections: Sequence[Section]
    span: str = "24h"


def built(uid: str, board: Board) -> str:
    """Return the classic JSON of a board, as Grafana's file provisioning and sidecars read it."""
    builder = dashboards.Dashboard(board.title).uid(uid).description(board.description).tags([TAG]).editable()
    builder.time(f"now-{board.span}", "now").refresh("1m").timezone("browser")
    builder.tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
    others = dashboards.DashboardLink("Boards").type(dashboard.DashboardLinkType.DASHBOARDS).tags([TAG])
    builder.link(others.as_dropdown(True).include_vars(True).keep_time(True))
    for source in board.sources:
        builder.with_variable(_selection(source))
    for variable in board.variables:
        builder.with_variable(variable)
    model = builder.build()
    for link in model.links or ():
        # The only other value puts the links into the menu of a board's controls.
        link.placement = None  # type: ignore[assignment]
    model.panels = list(_placed(board.sections))
    return json.dumps(model, cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def _selection(source: Source) -> dashboards.DatasourceVariable:
    current = dashboard.VariableOption(selected=True, text=source.name, value=source.uid)
    return dashboards.DatasourceVariable(source.variable).label(source.name).type(source.plugin).current(current)


def _placed(sections: Sequence[Section]) -> list[dashboard.Panel | dashboard.RowPanel]:
    """Return rows and panels with ids and places: a panel that has no space in a line begins the next one."""
    placed: list[dashboard.Panel | dashboard.RowPanel] = []
    y = 0
    for section in sections:
        row = dashboards.Row(section.title).grid_pos(dashboard.GridPos(h=1, w=COLUMNS, x=0, y=y)).build()
        row.id_val = len(placed) + 1
        placed.append(row)
        x, y, highest = 0, y + 1, 0
        for panel in section.panels:
            if x + panel.width > COLUMNS:
                x, y, highest = 0, y + highest, 0
            model = panel.builder.build()
            model.id_val = len(placed) + 1
            model.grid_pos = dashboard.GridPos(h=panel.height, w=panel.width, x=x, y=y)
            placed.append(model)
            x, highest = x + panel.width, max(highest, panel.height)
        y += highest
    return placed
