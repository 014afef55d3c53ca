"""A real browser, and the pages of a stack on which the demo's jobs and hostile ones have run."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

from batchtel_stack.demo import ledger, scenarios
from batchtel_stack.demo.compare import Witnesses
from batchtel_stack.demo.ledger import Line
from batchtel_stack.demo.play import EXPORT_INTERVAL
from batchtel_stack.demo.processes import Processes
from batchtel_stack.demo.target import SERVICE, Target
from batchtel_stack.ports import Ports
from batchtel_stack.stack import Stack
from tests.support.site import Site, of_stores, serving
from tests.ui import hostile

CHROMIUM: Final = shutil.which("chromium")

FLAGS: Final = (
    # As root there is no sandbox; all others keep Chromium from calls to its maker.
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@dataclass(frozen=True)
class World:
    """A stack, the pages about it, and the ledger of the demo's jobs."""

    stack: Stack
    site: Site
    ledger: Path

    @property
    def lines(self) -> Sequence[Line]:
        """What the jobs did."""
        return ledger.read(self.ledger)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The stack after the first pass of the demo, when the stores have settled, and after the hostile jobs."""
    folder, since = tmp_path_factory.mktemp("ui"), time.time()
    with Stack.running(folder / "stack", Ports.free(), export_interval=f"{EXPORT_INTERVAL}s") as stack:
        with Processes(folder, stack.otlp_http, SERVICE) as processes:
            scenarios.first_pass(processes)
            Witnesses(processes.ledger, Target.own(stack, EXPORT_INTERVAL), since).settle()
        hostile.run(stack)
        with serving(*of_stores(stack.stores)) as site:
            yield World(stack, site, processes.ledger)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not here; Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield running
        running.close()


class Watched:
    """A browser's page, with everything that it complained about and asked for."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.page.set_default_timeout(20_000)
        self.complaints: list[str] = []
        self.requested: list[str] = []
        self.page.on("console", lambda one: self.complaints.append(one.text) if one.type != "log" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"a dialog: {dialog.message}"))
        self.page.on("request", self._request)

    def _request(self, request: Request) -> None:
        self.requested.append(request.url)


@pytest.fixture
def watched(browser: Browser, world: World) -> Iterator[Watched]:
    """A page of the browser at the site; at the end nothing may be wrong and nothing from elsewhere."""
    context = browser.new_context(base_url=world.site.url, viewport={"width": 1400, "height": 900})
    one = Watched(context)
    yield one
    context.close()
    expected = "Failed to load resource: the server responded with a status of"
    assert [text for text in one.complaints if not text.startswith(expected)] == []
    assert [url for url in one.requested if not url.startswith(f"{world.site.url}/")] == []


@pytest.fixture
def page(watched: Watched) -> Page:
    """The page of `watched`."""
    return watched.page
