"""Tables of batchtel's pages, out of their HTML."""

from __future__ import annotations

import re


def rows_below(page: str, heading: str) -> list[dict[str, str]]:
    """Return the rows of the table below a heading: the text of each cell by the name of its column."""
    table = page.partition(f">{heading}</h2>")[2].partition("</section>")[0].partition("<tbody>")[2]
    return [
        {
            name: " ".join(re.sub(r"<[^>]+>", " ", cell).split())
            for name, cell in re.findall(r'<td data-name="([^"]*)"[^>]*>(.*?)</td>', row, re.DOTALL)
        }
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", table, re.DOTALL)
    ]
