"""A report in HTML is usable on a phone, on a screen, in the dark and on paper, also with charts and many columns."""

import json
from collections.abc import Iterator
from pathlib import Path

import pypdfium2
import pytest
from playwright.sync_api import Browser, ViewportSize

from shared.catalog.grouping import Grouping
from shared.catalog.model import Chart, Column, Format, PdfOptions, ReportType, SummaryTable
from shared.reports.interface import RenderRequest
from shared.reports.render import render_files
from tests.browser.conftest import listen
from tests.browser.test_every_page import usable
from tests.support.postgres import server

_CHART = {
    "mark": "bar",
    "encoding": {"y": {"field": "region", "type": "nominal"}, "x": {"field": "amount", "type": "quantitative"}},
}
_QUERY = """SELECT 'Region ' || n / 10 AS region, 'شركة ' || n AS name, repeat('word ', 40) AS note,
                   md5(n::text) || md5(n::text) AS token, n * 1000.5 AS amount, {others}
              FROM generate_series(0, 39) AS n ORDER BY n"""


@pytest.fixture(scope="module")
def document(postgres_server: server.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Figures, a chart, a summary, and 25 columns in groups with totals."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "c.vl.json").write_text(json.dumps(_CHART))
    by_region = "SELECT region, sum(amount) AS amount FROM report GROUP BY region ORDER BY region"
    pdf = PdfOptions(
        figures=SummaryTable("figures", "", "SELECT sum(amount) AS amount, count(*) AS n FROM report", {}),
        tables=(SummaryTable("t", "By region", by_region, {}),), charts=(Chart("c", "Sales", by_region, "c.vl.json"),),
    )  # fmt: skip
    query = _QUERY.format(others=", ".join(f"n * {at} AS c{at}" for at in range(20)))
    columns = {name: Column(name, name.title()) for name in ("region", "amount")}
    report = ReportType(
        "wide", "Sales", "What was sold", "1", "default", query, (Format.HTML,), columns=columns, pdf=pdf,
        folder=folder, grouping=Grouping(("region",), {"amount": "sum"}),
    )  # fmt: skip
    with server.database(postgres_server, template=None) as dsn:
        (folder / "scratch").mkdir()
        [file] = render_files(RenderRequest(report, {}, (Format.HTML,), dsn, folder / "scratch"), lambda _: None)
        yield file.path


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_a_report_is_usable_in_every_width_and_theme(width: int, theme: str, browser: Browser, document: Path) -> None:
    size = ViewportSize(width=width, height=812)
    with browser.new_context(viewport=size, color_scheme=theme) as context:  # type: ignore[arg-type]
        page = context.new_page()
        said = listen(page)
        page.goto(document.as_uri())
        drawn = page.evaluate("[...document.images].map(one => one.naturalWidth > 0 && one.width <= innerWidth)")

        assert [*usable(page), *said] == []
        assert drawn == [True]


def test_a_report_prints_its_charts_and_rows_within_the_paper(browser: Browser, document: Path) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(document.as_uri())
        printed = document.with_suffix(".printed.pdf")
        page.pdf(path=printed, prefer_css_page_size=True)

    with pypdfium2.PdfDocument(printed) as pages:
        text = "".join(one.get_textpage().get_text_range() for one in pages)
    assert [f"Region {at}, total" in text for at in range(4)] == [True] * 4
    assert "Total" in text
