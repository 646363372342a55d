"""`make samples`: every kind of file, with few, many and no rows, as pictures in build/samples.

python -m tests.gallery --only sales --formats pdf,html
"""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from deploy.sample import load
from shared.catalog.load import load_catalog
from shared.catalog.model import Format
from shared.catalog.parameters import validate_parameters
from shared.reports.interface import RenderRequest
from shared.reports.render import render_files
from tests.gallery import pictures
from tests.gallery.scenes import SCENES, Scene
from tests.support.debian import ToolMissing, tool
from tests.support.postgres import server

_SHOWN = (Format.PDF, Format.HTML, Format.XLSX)


def main() -> int:
    """Make the files and their pictures. Returns 1 if a scene is missing."""
    options = argparse.ArgumentParser(prog="make samples", description=__doc__)
    options.add_argument("--only", default="", help="scenes whose names begin so")
    options.add_argument("--formats", default=",".join(_SHOWN))
    options.add_argument("--out", type=Path, default=Path("build/samples"))
    options.add_argument("--dsn", help="a database that has the sample data; else one is made")
    given = options.parse_args()
    scenes = [scene for scene in SCENES if scene.name.startswith(given.only)]
    formats = {Format(one) for one in given.formats.split(",")}
    given.out.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        dsn = given.dsn or held.enter_context(_sample_data())
        browser = held.enter_context(_browser()) if Format.HTML in formats else None
        soffice = _soffice() if Format.XLSX in formats else None
        for scene in scenes:
            for picture in _taken(scene, formats, dsn, given.out, browser, soffice):
                print(picture)
    return 0 if scenes else 1


def _taken(
    scene: Scene, formats: Collection[Format], dsn: str, out: Path, browser: Browser | None, soffice: Path | None
) -> Iterator[Path]:
    report = load_catalog(scene.catalog).types[scene.report]
    wanted = tuple(f for f in _SHOWN if f in formats)
    with tempfile.TemporaryDirectory(prefix="todoke-samples-") as name:
        given = validate_parameters(report, scene.parameters)
        request = RenderRequest(report, given, wanted, dsn, Path(name), shape=scene.shape, job_id=_JOB)
        for file in render_files(request, lambda _: None):
            kept = out / f"{scene.name}.{file.format}"
            kept.write_bytes(file.path.read_bytes())
            match file.format:
                case Format.PDF:
                    yield from pictures.of_pdf(file.path, f"{scene.name}-pdf", out)
                case Format.HTML if browser:
                    yield from pictures.of_html(file.path, f"{scene.name}-html", out, browser)
                case Format.XLSX if soffice:
                    yield from pictures.of_xlsx(file.path, f"{scene.name}-xlsx", out, soffice)


_JOB = "01a1f4c0-7e5b-7c3a-9d2e-000000000042"


@contextlib.contextmanager
def _sample_data() -> Iterator[str]:
    with server.server() as base, server.database(base, template=None) as dsn:
        load.load(dsn)
        yield dsn


@contextlib.contextmanager
def _browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # In a container as root there is no sandbox to be had; the pages are our own.
        browser = playwright.chromium.launch(executable_path=tool("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


def _soffice() -> Path | None:
    """LibreOffice, without which workbooks get no pictures."""
    try:
        return tool("soffice")
    except ToolMissing as error:
        print(f"no pictures of workbooks: {error}", file=sys.stderr)
        return None


if __name__ == "__main__":
    sys.exit(main())
