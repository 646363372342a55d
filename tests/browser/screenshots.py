"""Pictures of every page in both widths, themes and languages: `make screenshots`, into build/screenshots.

python -m tests.browser.screenshots --only job --looks wide-light-en
python -m tests.browser.screenshots --docs      those that the docs show, into docs/images
"""

import argparse
import contextlib
import itertools
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from tests.browser.scene.pages import VIEWS, View
from tests.browser.scene.stage import Stage, stage
from tests.support.debian import tool
from tests.support.postgres import server

WIDTHS = {"wide": ViewportSize(width=1280, height=900), "narrow": ViewportSize(width=375, height=812)}


class Look(NamedTuple):
    """How somebody looks at the console."""

    width: str
    theme: str
    language: str

    @property
    def name(self) -> str:
        """`wide-light-en`."""
        return "-".join(self)


SHOWN = {
    "console-reports": ("reports", Look("wide", "light", "en")),
    "console-jobs": ("jobs-panel", Look("wide", "light", "en")),
    "console-new": ("new-plain", Look("wide", "dark", "en")),
    "console-job": ("job-done", Look("wide", "light", "en")),
    "console-overview": ("overview", Look("wide", "light", "en")),
}
"""What the docs show: the name of the picture, the view, and the look."""
_FROM = {"console-overview": "#history"}
"""Where a picture begins that does not begin at the top."""
_IMAGES, _HEIGHT = Path("docs/images"), 860

LOOKS = [Look(*each) for each in itertools.product(WIDTHS, ("light", "dark"), ("en", "ja"))]


@contextlib.contextmanager
def windows(browser: Browser, on: Stage, look: Look, people: Collection[str]) -> Iterator[Mapping[str, BrowserContext]]:
    """A browser window of each of the people, within the block."""
    with contextlib.ExitStack() as held:
        options: dict[str, Any] = {
            "viewport": WIDTHS[look.width], "color_scheme": look.theme, "locale": look.language,
            "timezone_id": "Asia/Tokyo", "reduced_motion": "reduce",
        }  # fmt: skip
        yield {who: held.enter_context(contextlib.closing(on.context(browser, who, **options))) for who in people}


def open_view(page: Page, on: Stage, view: View) -> None:
    """Open the page, and bring it into its state."""
    answer = page.goto(f"{on.url}/console{view.at(on.week)}", wait_until="load")
    assert answer is not None
    assert answer.status < 500, f"{view.name} broke"
    if view.prepare is not None:
        view.prepare(page)


def take(browser: Browser, on: Stage, look: Look, views: Sequence[View], into: Path) -> Iterator[Path]:
    """Take a picture of each view. Yields their paths."""
    with windows(browser, on, look, {view.who for view in views}) as each:
        for view in views:
            page, path = each[view.who].new_page(), into / view.name / f"{look.name}.png"
            open_view(page, on, view)
            path.parent.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=path, full_page=True)
            page.close()
            yield path


def take_for_docs(browser: Browser, on: Stage) -> Iterator[Path]:
    """Take the pictures that the docs show, as much of each page as fits into a window. Yields their paths."""
    views = {view.name: view for view in VIEWS}
    for name, (shown, look) in SHOWN.items():
        with windows(browser, on, look, {views[shown].who}) as each:
            page = each[views[shown].who].new_page()
            open_view(page, on, views[shown])
            page.set_viewport_size({**WIDTHS[look.width], "height": _HEIGHT})
            if name in _FROM:
                page.locator(_FROM[name]).evaluate("it => it.scrollIntoView()")
            with Image.open(BytesIO(page.screenshot())) as picture:
                picture.save(_IMAGES / f"{name}.webp", quality=82, method=6)
        yield _IMAGES / f"{name}.webp"


def main() -> None:
    """Take the pictures that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("build/screenshots"))
    parser.add_argument("--only", default="", help="views whose name has this regular expression in it")
    parser.add_argument("--looks", default="", help="looks whose name has this regular expression in it")
    parser.add_argument("--docs", action="store_true", help="those that the docs show, into docs/images")
    asked = parser.parse_args()
    views = [view for view in VIEWS if re.search(asked.only, view.name)]
    looks = [look for look in LOOKS if re.search(asked.looks, look.name)]
    with (
        tempfile.TemporaryDirectory() as folder,
        server.server() as base,
        server.database(base) as url,
        stage(url, Path(folder)) as on,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=tool("chromium"), args=["--no-sandbox"])
        each = (take(browser, on, look, views, asked.out) for look in looks)
        for path in take_for_docs(browser, on) if asked.docs else itertools.chain.from_iterable(each):
            print(path, flush=True)
        browser.close()


if __name__ == "__main__":
    main()
