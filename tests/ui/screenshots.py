"""Writes the pictures of docs: `python -m tests.ui.screenshots FOLDER`; the pages are those after `batchtel demo`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import sync_playwright

from batchtel_dashboards.history.reader import History
from batchtel_dashboards.history.selection import Selection
from batchtel_dashboards.web.addresses import Addresses
from batchtel_stack.demo.jobs import etl, fleet
from batchtel_stack.demo.play import EXPORT_INTERVAL, play
from batchtel_stack.demo.target import Target
from batchtel_stack.ports import Ports
from batchtel_stack.stack import Stack
from tests.support.site import of_stores, serving
from tests.ui.conftest import CHROMIUM, FLAGS

WIDE: Final[Any] = {"width": 1280, "height": 800}
PHONE: Final[Any] = {"width": 390, "height": 800}


def main(folder: Path) -> None:
    """Run the demo, look at its pages, and write them."""
    with tempfile.TemporaryDirectory() as name:
        data = Path(name)
        with Stack.running(data / "stack", Ports.free(), export_interval=f"{EXPORT_INTERVAL}s") as stack:
            play(Target.own(stack, EXPORT_INTERVAL), data, lambda line: None)
            with serving(*of_stores(stack.stores)) as site:
                _write(folder, site.url, stack)


def _write(folder: Path, url: str, stack: Stack) -> None:
    # Not one with a stack trace: it has the paths of the machine that wrote the pictures.
    job, to = next(iter(fleet.JOBS)), Addresses()
    (loaded,) = History(stack.stores.logs[0]).runs(Selection(0, 4102444800, etl.JOB), 1)
    shots: list[tuple[str, str, Any, Any]] = [
        ("fleet", to.fleet(), WIDE, "light"),
        ("job", to.job(job), WIDE, "light"),
        ("run", to.run(loaded.identity), WIDE, "dark"),
        ("phone", to.fleet(state="attention"), PHONE, "dark"),
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        for name, path, size, scheme in shots:
            page = browser.new_page(viewport=size, color_scheme=scheme)
            page.goto(url + path)
            page.screenshot(path=folder / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
