"""What a group of benchmarks has found: rows of figures, goals, notes; as a table for people or as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

Unit = Literal["text", "s", "ms", "MiB", "count", "ratio", "us"]


@dataclass(frozen=True, slots=True)
class Column:
    """One figure of every row: its key in JSON (with the unit, always SI: `wall_s`), its heading, how it is shown."""

    key: str
    heading: str
    unit: Unit


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure that is to be reached: `value` at most `limit`."""

    what: str
    value: float
    limit: float

    @property
    def met(self) -> bool:
        """Whether it is reached."""
        return self.value <= self.limit


@dataclass
class Report:
    """The findings of one group; a row without a key of the columns shows a dash there."""

    group: str
    title: str
    columns: Sequence[Column]
    rows: list[Mapping[str, Any]] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    load: tuple[float, float] = (0.0, 0.0)

    def document(self) -> dict[str, Any]:
        """Return the report as JSON-able data."""
        return {
            "group": self.group,
            "rows": self.rows,
            "goals": [
                {"what": goal.what, "value": goal.value, "limit": goal.limit, "met": goal.met} for goal in self.goals
            ],
            "notes": self.notes,
            "load_average": {"before": self.load[0], "after": self.load[1]},
        }

    def show(self, console: Console) -> None:
        """Print the report as a table, with the goals and notes below."""
        table = Table(title=self.title, title_justify="left", title_style="bold")
        for column in self.columns:
            table.add_column(column.heading, justify="left" if column.unit == "text" else "right")
        for row in self.rows:
            table.add_row(*(escape(_shown(row.get(column.key), column.unit)) for column in self.columns))
        console.print(table)
        for goal in self.goals:
            verdict = "[green]met[/green]" if goal.met else "[red]missed[/red]"
            console.print(f"  {verdict}: {escape(goal.what)}: {goal.value:.3g}, goal at most {goal.limit:g}")
        for note in self.notes:
            console.print(f"  {escape(note)}")
        console.print(f"  Load average before and after: {self.load[0]:.2f}, {self.load[1]:.2f}.\n")


def _shown(value: Any, unit: Unit) -> str:
    if value is None:
        return "-"
    match unit:
        case "text":
            return str(value)
        case "s":
            return f"{value:.2f} s"
        case "ms":
            return f"{value * 1e3:.0f} ms"
        case "us":
            return f"{value * 1e6:.0f} us"
        case "MiB":
            return f"{value / 2**20:.1f} MiB"
        case "count":
            return f"{value:,.0f}"
        case "ratio":
            return f"{value:.3f}"
