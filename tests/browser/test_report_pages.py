"""A report in HTML is usable on a phone, on a screen, in dark mode and on paper, including charts and many columns."""

import json
import re
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


_SEEN = """[...document.querySelectorAll("td, .tiles b, dd")].map(one => {
    const text = one.firstChild; if (!text) return "";
    const places = [...text.data].map((letter, at) => {
        const range = new Range(); range.setStart(text, at); range.setEnd(text, at + 1);
        return [range.getBoundingClientRect().left, letter];
    });
    return places.sort((a, b) => a[0] - b[0]).map(place => place[1]).join("").trim();
})"""
"""The text of each cell as its letters stand, from left to right."""


def test_numbers_and_moments_keep_their_order_in_a_page_from_the_right(
    browser: Browser, postgres_server: server.Server, tmp_path: Path
) -> None:
    """-5.50 was 5.50-, and a moment had its time before its date."""
    query = "SELECT -5.5 AS n, timestamp '2024-01-02 03:04:05' AS z, '+81-3-1234' AS t, 'a' AS g"
    figures = SummaryTable("figures", "", "SELECT -7.5 AS x FROM report", {})
    report = ReportType(
        "r", "تقرير", "", "2-7", "default", query, (Format.HTML,), language="ar", pdf=PdfOptions(figures=figures),
        columns={"n": Column("n", "N"), "g": Column("g", "G")}, grouping=Grouping(("g",), {"n": "sum"}),
    )  # fmt: skip
    with server.database(postgres_server, template=None) as dsn, browser.new_context() as context:
        asked = RenderRequest(report, {}, (Format.HTML,), dsn, tmp_path, job_id="0192-77")
        [file] = render_files(asked, lambda _: None)
        page = context.new_page()
        page.goto(file.path.as_uri())
        seen = page.evaluate(_SEEN)
        sides = page.evaluate("[...document.querySelectorAll('td')].map(one => getComputedStyle(one).textAlign)")

    assert {"2024-01-02 03:04:05", "+81-3-1234", "2-7", "0192-77"} <= set(seen)
    assert [seen.count("-5.5"), seen.count("-7.5")] == [3, 1], "the row, its group and all of them; the figure"
    assert [one for one in seen if re.search(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2} UTC", one)] != []
    assert (sides[0], sides[1]) == ("left", "right"), "numbers end where columns do, everything else begins there"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_a_report_is_usable_in_every_width_and_theme(width: int, theme: str, browser: Browser, document: Path) -> None:
    size = ViewportSize(width=width, height=812)
    with browser.new_context(viewport=size, color_scheme=theme) as context:  # type: ignore[arg-type]
        page = context.new_page()
        said = listen(page)
        page.goto(document.as_uri())
        framed = "one.naturalWidth > 0 && one.closest('figure').offsetWidth <= innerWidth"
        drawn = page.evaluate(f"[...document.images].map(one => {framed})")

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


@pytest.mark.parametrize("width", [320, 390, 480])
def test_the_letters_of_a_chart_can_be_read_on_a_phone(browser: Browser, document: Path, width: int) -> None:
    """A chart that fits the screen's width had letters of five pixels. It scrolls within its own frame."""
    with browser.new_context(viewport={"width": width, "height": 844}, is_mobile=True) as context:
        page = context.new_page()
        page.goto(document.as_uri())
        shown = page.evaluate(
            "(() => { const i = document.querySelector('figure img'); "
            "return [i.clientWidth / i.naturalWidth, document.documentElement.scrollWidth]})()"
        )

    assert shown[0] * 9 >= 10  # the theme's size of letters
    assert shown[1] <= width
