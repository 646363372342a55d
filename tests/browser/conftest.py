"""Debian's Chromium, and the console on a real socket."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.support.api_server import ApiServer, serving
from tests.support.debian import tool

_LIMIT_MS = 60_000
"""Bounds each wait for the page; none comes near it on an idle machine."""
expect.set_options(timeout=_LIMIT_MS)
SAMPLE = Path(__file__).parents[2] / "deploy" / "sample" / "catalog"


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One for this folder. Not for the session: as long as it lives, this thread counts as inside an event loop, and
    no test after it could run one of its own."""
    with sync_playwright() as playwright:
        # In a container as root there is no sandbox to be had; the pages are our own.
        browser = playwright.chromium.launch(executable_path=tool("chromium"), args=["--no-sandbox"], timeout=_LIMIT_MS)
        yield browser
        browser.close()
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()


@pytest.fixture
def console(database_url: str, scratch: Path) -> Iterator[ApiServer]:
    with serving(database_url, scratch, CATALOG_PATH=str(SAMPLE)) as server:
        yield server


def listen(page: Page) -> list[str]:
    """What goes wrong in the page from now on: scripts that break, and what its policy forbids."""
    wrong: list[str] = []

    def said(message: Any) -> None:
        # A page that answers 404 or 422 is told there, too; those are looked at by the tests.
        if message.type in {"error", "warning"} and "the server responded with a status of" not in message.text:
            wrong.append(message.text)

    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", said)
    return wrong


class Reader:
    """Somebody with a browser window, and what went wrong in it."""

    def __init__(self, context: BrowserContext, root: str) -> None:
        context.set_default_timeout(_LIMIT_MS)
        self.context = context
        self.page: Page = context.new_page()
        self.wrong = listen(self.page)
        self.root = root

    def goto(self, path: str) -> Page:
        """Open a page of the console."""
        self.page.goto(f"{self.root}/console{path}")
        return self.page


@pytest.fixture
def reader(browser: Browser, console: ApiServer) -> Iterator[Callable[..., Reader]]:
    """Makes readers; at the end nothing has gone wrong in any of their windows."""
    readers: list[Reader] = []

    def make(*, may_miss: bool = False, **options: Any) -> Reader:
        """`may_miss`: requests of this one may get no answer, of which its browser complains."""
        made = Reader(browser.new_context(**{"locale": "en-GB", **options}), console.url)
        if not may_miss:
            readers.append(made)
        opened.append(made)
        return made

    opened: list[Reader] = []
    yield make
    for each in opened:
        each.context.close()
    assert [message for each in readers for message in each.wrong] == []
