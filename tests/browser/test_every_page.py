"""Every page in every state is accessible, in each width, theme and language."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.conftest import listen
from tests.browser.scene.pages import VIEWS, View
from tests.browser.scene.stage import Stage, stage
from tests.browser.screenshots import LOOKS, Look, open_view, windows
from tests.support.postgres import server

PAIRWISE = [
    Look(*each.split("-"))
    for each in (
        "wide-light-en", "narrow-dark-ja", "narrow-light-en", "wide-dark-ja", "narrow-light-ja", "wide-dark-en",
    )
]  # fmt: skip
"""Any two values of width, theme and language meet within four that follow each other, or in these six."""
_EACH = 2
"""Looks that a page is seen in; the next page is seen in the next ones."""
_BETWEEN = (660, 768, 1024)
"""Widths of tablets, and of windows beside others: nothing is scrolled sideways there, either."""
WCAG = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}


@pytest.fixture(scope="module")
def scene(postgres_server: server.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One for every look: it holds a week of jobs."""
    with server.database(postgres_server) as url, stage(url, tmp_path_factory.mktemp("scene")) as on:
        yield on


def usable(page: Page) -> list[str]:
    """What keeps somebody from using the page: barriers that axe finds, and anything that must be scrolled sideways."""
    found = Axe().run(page, options=WCAG)
    told = [found.generate_report()] if found.violations_count else []
    own = page.viewport_size
    assert own is not None
    for width in (own["width"], *(_BETWEEN if own["width"] > max(_BETWEEN) else ())):
        page.set_viewport_size({**own, "width": width})
        too_wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        told += [f"{too_wide} px too wide at {width}"] if too_wide > 0 else []
    page.set_viewport_size(own)
    return told


def walk(browser: Browser, scene: Stage, look: Look, views: list[View]) -> list[str]:
    wrong: list[str] = []
    with windows(browser, scene, look, {view.who for view in views}) as each:
        for view in views:
            page = each[view.who].new_page()
            said = listen(page)
            open_view(page, scene, view)
            wrong += [f"{view.name} {look.name}: {problem}" for problem in [*usable(page), *said]]
            page.close()
    return wrong


@pytest.mark.parametrize("look", PAIRWISE, ids=lambda look: look.name)
def test_every_page_is_usable_in_two_of_the_looks(browser: Browser, scene: Stage, look: Look) -> None:
    turns = [(view, PAIRWISE[(n + m) % len(PAIRWISE)]) for n, view in enumerate(VIEWS) for m in range(_EACH)]

    assert "\n".join(walk(browser, scene, look, [view for view, seen in turns if seen == look])) == ""


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
def test_every_page_is_usable_in_this_look(browser: Browser, scene: Stage, look: Look) -> None:
    assert "\n".join(walk(browser, scene, look, list(VIEWS))) == ""
