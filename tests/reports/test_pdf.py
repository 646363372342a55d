"""The document: typeset, complete, readable in Japanese, the same each time."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pikepdf
import pypdfium2
import pytest

from shared.catalog.load import load_catalog
from shared.catalog.model import Chart, Column, Format, Limits, PdfOptions, ReportType, SummaryTable
from shared.reports.formats import chart
from shared.reports.formats.rendering import Rendering
from shared.reports.interface import RenderedFile, RenderRequest, ReportError
from shared.reports.render import render_files
from tests.reports.conftest import MakeRequest, Run

SAMPLES = Path(__file__).parents[2] / "deploy" / "sample" / "catalog"
FLIGHTS = """
    SELECT (ARRAY['UA', 'B6', 'DL'])[1 + n % 3] AS carrier, 'Airline ' || n % 3 AS airline,
           date '2013-01-01' + (n % 12) * interval '1 month' AS month, n AS flights,
           n * 3.5 AS delay_total_min, n * 0.1 AS mean_delay_min, 1 AS cancelled
      FROM generate_series(10, {last}) AS n ORDER BY n
"""


def text_of(file: RenderedFile) -> list[str]:
    document = pypdfium2.PdfDocument(file.path)
    return [page.get_textpage().get_text_range() for page in document]


def with_pdf(request: RenderRequest, pdf: PdfOptions, folder: Path | None = None, **changes: object) -> RenderRequest:
    report = replace(request.report, pdf=pdf, folder=folder, **changes)  # type: ignore[arg-type]
    return replace(request, report=report)


def test_few_rows_stand_in_the_document_and_many_in_an_appendix_whole(a_request: MakeRequest, run: Run) -> None:
    for rows in (0, 1, 60, 61, 500):
        query = f"SELECT n AS id, 'row number ' || n AS words FROM generate_series(1, {rows}) AS n ORDER BY n"
        [file] = run(a_request(query, Format.PDF))

        pages = text_of(file)
        assert re.findall(r"row number (\d+)", "".join(pages)) == [str(n) for n in range(1, rows + 1)], rows
        assert f"Page {len(pages)} of {len(pages)}" in pages[-1]
        assert "Orders" in pages[0]


def test_rows_begin_on_a_cover_that_has_nothing_else(a_request: MakeRequest, run: Run) -> None:
    """On the paper of the table; figures, charts and templates of one's own keep their pages for themselves."""
    wide = ", ".join(f"'a longer text {n}' AS column_{n}" for n in range(14))
    query = f"SELECT n AS id, {wide} FROM generate_series(1, 200) AS n"
    [file] = run(a_request(query, Format.PDF))
    pages = text_of(file)
    assert "Orders" in pages[0]
    assert "\n1 a longer" in pages[0].replace("\r", "")
    assert [f"Page {n} of {len(pages)}" in page for n, page in enumerate(pages, 1)] == [True] * len(pages)
    with pikepdf.open(file.path) as document:
        assert {tuple(map(float, page.mediabox)) for page in document.pages} == {(0, 0, 841.8898, 595.2756)}

    figures = SummaryTable("figures", "", "SELECT count(*) AS n FROM report", {})
    [file] = run(with_pdf(a_request(query, Format.PDF), PdfOptions(figures=figures)))
    assert "a longer" not in text_of(file)[0]
    with pikepdf.open(file.path) as document:
        assert float(document.pages[0].mediabox[2]) < 600


def test_the_document_names_itself(a_request: MakeRequest, run: Run) -> None:
    [file] = run(a_request("SELECT 1 AS a", Format.PDF))

    with pikepdf.open(file.path) as document:
        assert document.docinfo["/Title"] == "Orders"
        assert "/CreationDate" not in document.docinfo
        assert document.Root.Lang == "en"


def test_every_font_is_embedded(a_request: MakeRequest, run: Run) -> None:
    [file] = run(a_request("SELECT '東京' AS t FROM generate_series(1, 100)", Format.PDF))

    with pikepdf.open(file.path) as document:
        fonts = [
            obj
            for obj in document.objects
            if isinstance(obj, pikepdf.Dictionary) and obj.get("/Type") == "/FontDescriptor"
        ]
        assert fonts
        simple = [
            obj
            for obj in document.objects
            if isinstance(obj, pikepdf.Dictionary) and obj.get("/Type") == "/Font" and obj.get("/Subtype") != "/Type0"
        ]
        assert all("/FontDescriptor" in font for font in simple)  # none is left to whoever shows the page
        assert all("/FontFile2" in f or "/FontFile3" in f for f in fonts)


@pytest.mark.parametrize("rows", [3, 300])
def test_japanese_is_visible_on_the_page(rows: int, a_request: MakeRequest, run: Run) -> None:
    """Pixels, because a font that is not embedded gives the right text and a blank page."""
    query = "SELECT {} AS t FROM generate_series(1, " + str(rows) + ")"
    blank, japanese = (
        run(a_request(query.format(text), Format.PDF))[0] for text in ("''", "'日本語日本語日本語日本語'")
    )

    def dark(file: RenderedFile) -> int:
        document = pypdfium2.PdfDocument(file.path)
        picture = document[len(document) - 1].render(scale=2, grayscale=True).to_numpy()
        return int((picture < 128).sum())

    assert dark(japanese) > dark(blank) + 1_000
    assert "日本語" in text_of(japanese)[-1]


def test_figures_stand_on_the_title_page(a_request: MakeRequest, run: Run) -> None:
    total = {"total": Column("total", "In all", "EUR", "#,##0.00")}
    figures = SummaryTable("figures", "", "SELECT sum(n) AS total, NULL AS nothing FROM report", total)
    request = a_request("SELECT n FROM generate_series(1, 100) AS n ORDER BY n", Format.PDF)
    [file] = run(with_pdf(request, PdfOptions(figures=figures)))

    page = text_of(file)[0]
    assert "5,050.00 EUR" in page
    assert "In all" in page
    assert "nothing" in page

    many = replace(figures, query="SELECT n FROM report")
    with pytest.raises(ReportError, match="'figures' gives more than 1 rows"):
        run(with_pdf(a_request("SELECT n FROM generate_series(1, 2) AS n", Format.PDF), PdfOptions(figures=many)))


def test_figures_of_any_length_stay_in_their_tiles(a_request: MakeRequest, run: Run) -> None:
    """On the page: a long number had run over its neighbour."""
    query = "SELECT 1697384015400 AS a, 9876543210987 AS b, 3 AS c, 1234567890123 AS d"
    looks = {name: Column(name, name, "JPY", "#,##0") for name in "abcd"}
    figures = SummaryTable("figures", "", query, looks)
    [file] = run(with_pdf(a_request("SELECT 1 AS n", Format.PDF), PdfOptions(figures=figures)))

    with pypdfium2.PdfDocument(file.path) as document:
        page, text = document[0], document[0].get_textpage()
        room = (page.get_width() - 2 * 40 - 3 * 8) / 4
        whole = text.get_text_range()
        for at, number in enumerate((
            "1,697,384,015,400 JPY", "9,876,543,210,987 JPY", "3 JPY", "1,234,567,890,123 JPY",
        )):  # fmt: skip
            first = whole.index(number)
            boxes = [text.get_charbox(first + n) for n in range(len(number))]
            left = 40 + at * (room + 8)
            assert left <= boxes[0][0]
            assert boxes[-1][2] <= left + room - 6, number
            assert len({round(box[1]) // 4 for box in boxes if box[0] != box[2]}) <= 2, "one line"


def test_a_chart_of_many_bars_stays_on_its_page(a_request: MakeRequest, run: Run, tmp_path: Path) -> None:
    bars = {"y": {"field": "name", "type": "nominal"}, "x": {"field": "n", "type": "quantitative"}}
    (tmp_path / "c.vl.json").write_text(json.dumps({"mark": "bar", "encoding": bars, "height": {"step": 20}}))
    query = "SELECT 'Bar ' || (100 + n) AS name, n FROM generate_series(1, 90) AS n"
    chart = Chart("c", "C", "SELECT * FROM report", "c.vl.json")
    [file] = run(with_pdf(a_request(query, Format.PDF), PdfOptions(charts=(chart,), appendix=False), tmp_path))

    with pypdfium2.PdfDocument(file.path) as document:
        page = next(page for page in document if "Bar 101" in page.get_textpage().get_text_range())
        text = page.get_textpage()
        whole = text.get_text_range()
        lowest = min(text.get_charbox(whole.index(f"Bar {100 + n}"))[1] for n in range(1, 91))
        assert lowest > 52, "above the footer"


def test_a_chart_without_values_is_a_dash(a_request: MakeRequest, run: Run, tmp_path: Path) -> None:
    bars = {"y": {"field": "name", "type": "nominal"}, "x": {"field": "n", "type": "quantitative"}}
    (tmp_path / "c.vl.json").write_text(json.dumps({"mark": "bar", "encoding": bars}))
    chart = Chart("c", "Nobody", "SELECT name, NULL::INTEGER AS n FROM report", "c.vl.json")
    request = a_request("SELECT 'a bar' AS name", Format.PDF, Format.HTML)
    pdf, html = run(with_pdf(request, PdfOptions(charts=(chart,), appendix=False), tmp_path))

    assert re.search(r"Nobody\s+–", text_of(pdf)[0])  # noqa: RUF001 - the dash that stands for NULL
    assert "a bar" not in text_of(pdf)[0]
    assert "<svg" not in html.path.read_text()
    assert "<img" not in html.path.read_text()


def test_dates_and_short_words_are_not_broken_beside_a_long_text(a_request: MakeRequest, run: Run) -> None:
    narrow = ", ".join(f"date '2026-07-0{n}' AS d{n}, 'いいえ' AS w{n}" for n in range(1, 6))
    [file] = run(a_request(f"SELECT {narrow}, repeat('a long remark ', 20) AS remark", Format.PDF))

    text = text_of(file)[0]
    assert [day for day in range(1, 6) if f"2026-07-0{day}" in text] == [*range(1, 6)]
    assert text.count("いいえ") == 5


def test_a_wide_report_of_few_rows_keeps_its_cells_apart(a_request: MakeRequest, run: Run) -> None:
    """On the page, not in the text: what overlaps is still there to be copied."""
    wide = ", ".join(f"{n}000000000.5::numeric AS amount_{n}, 'word{n}word' AS c{n}" for n in range(1, 10))
    [file] = run(a_request(f"SELECT {wide}", Format.PDF))

    found = 0
    for page in (one.get_textpage() for one in pypdfium2.PdfDocument(file.path)):
        boxes = [page.get_rect(n) for n in range(page.count_rects())]
        found += len(boxes)
        assert all(
            a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
            for at, a in enumerate(boxes)
            for b in boxes[at + 1 :]
        )
    assert found >= 36


def test_a_few_rows_with_long_notes_stay_in_the_document_with_broken_lines(a_request: MakeRequest, run: Run) -> None:
    note = "a remark of several words " * 20
    query = (
        f"SELECT 1 AS id, '{note}' AS note, 'x' AS kind, 12.5 AS amount_of_a_long_name, '備考' || repeat('長', 90) AS j"
    )
    [file] = run(a_request(query, Format.PDF))

    text = " ".join(text_of(file)).split()
    assert text.count("remark") == 20
    assert "".join(text).count("長") == 90


def test_the_directors_report(source_dsn: str, scratch: Path, a_request: MakeRequest, run: Run) -> None:
    """The sample's title page, charts and summary, in English and in Japanese, on rows made for the test."""
    report = load_catalog(SAMPLES).types["carrier-delays"]
    asked = a_request(FLIGHTS.format(last=80), Format.PDF)
    report = replace(report, query=asked.report.query, formats=(Format.PDF,))
    for locale, title, axis in (("en", "Delays by carrier and month", "Mean departure delay (min)"),
                                ("ja", "航空会社別・月別の出発遅延", "年間の出発遅延と欠航率")):  # fmt: skip
        folder = scratch / locale
        folder.mkdir()
        [file] = run(RenderRequest(report, {"locale": locale}, (Format.PDF,), source_dsn, folder))
        pages = "".join(text_of(file))
        assert title in pages
        assert axis in pages  # the charts' texts are text
        assert "Airline 2" in pages


@pytest.mark.parametrize(
    ("pdf", "code"),
    [
        (PdfOptions(tables=(SummaryTable("t", "T", "SELECT nope FROM report"),)), "summary_failed"),
        (PdfOptions(tables=(SummaryTable("t", "T", "SELECT * FROM read_csv('/etc/passwd')"),)), "summary_failed"),
        (PdfOptions(tables=(SummaryTable("t", "T", "SELECT * FROM '/etc/passwd'"),)), "summary_failed"),
        (PdfOptions(tables=(SummaryTable("t", "T", "SELECT range FROM range(6000)"),)), "summary_too_large"),
        (PdfOptions(charts=(Chart("c", "C", "SELECT 1 AS n", "c.vl.json"),)), "chart_failed"),
    ],
)
def test_what_an_author_got_wrong_is_told(
    pdf: PdfOptions, code: str, a_request: MakeRequest, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "c.vl.json").write_text('{"mark": "nonsense", "encoding": {}}')
    with pytest.raises(ReportError) as failure:
        run(with_pdf(a_request("SELECT 1 AS a", Format.PDF), pdf, tmp_path))

    assert (failure.value.code, failure.value.retryable) == (code, False)


def test_markup_in_data_stays_text(a_request: MakeRequest, run: Run) -> None:
    hostile = r"#read(\"/etc/passwd\") $x$ *bold* <b>&amp;</b> \u{41} (paren\) @ref"
    request = a_request(f"SELECT $q${hostile}$q$ AS t, '{'x' * 10}' AS u", Format.PDF)
    [file] = run(replace(request, report=replace(request.report, title=hostile, description=hostile)))

    text = "".join(text_of(file)).replace("\r\n", " ")
    assert "*bold* <b>&amp;</b>" in text
    assert "root:" not in text


@pytest.mark.parametrize("rows", [3, 1_200])
@pytest.mark.parametrize(
    ("value", "drawn"),
    [
        ("0.25::DECIMAL(38, 38)", 0.25), ("-0.25::DECIMAL(16, 16)", -0.25), ("0.5::DECIMAL(2, 2)", 0.5),
        ("{'a': [0.25::DECIMAL(20, 20)]}", {"a": [0.25]}), ("'nan'::DOUBLE", None), ("'-inf'::FLOAT", None),
        ("NULL::DECIMAL(38, 38)", None),
    ],
)  # fmt: skip
def test_a_chart_takes_every_number_that_its_query_gives(
    rows: int, value: str, drawn: object, a_request: MakeRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB leaves out the zero before the point of some decimals, and JSON has neither NaN nor infinity."""
    (tmp_path / "c.vl.json").write_text('{"mark": "point", "encoding": {"x": {"field": "v", "type": "quantitative"}}}')
    given: list[Any] = []
    before = chart.draw_of

    def draw_of(one: Chart, values: Sequence[Mapping[str, Any]], rendering: Rendering) -> str:
        given.extend(values)
        return before(one, values, rendering)

    monkeypatch.setattr(chart, "draw_of", draw_of)
    pdf = PdfOptions(charts=(Chart("c", "C", f"SELECT {value} AS v, ',.5' AS t FROM report LIMIT 1", "c.vl.json"),))
    request = with_pdf(a_request(f"SELECT generate_series(1, {rows}) AS n", Format.HTML), pdf, tmp_path)
    render_files(request, lambda _: None)

    assert given == [{"v": drawn, "t": ",.5"}]


def test_a_chart_draws_within_the_memory_limit(a_request: MakeRequest, run: Run, tmp_path: Path) -> None:
    (tmp_path / "c.vl.json").write_text('{"mark": "bar", "encoding": {"x": {"field": "n", "type": "quantitative"}}}')
    pdf = PdfOptions(charts=(Chart("c", "C", "SELECT n FROM report", "c.vl.json"),))

    [file] = run(with_pdf(a_request("SELECT 1 AS n", Format.PDF), pdf, tmp_path, limits=Limits(memory_mb=256)))
    assert file.size_bytes > 1_000


def test_a_chart_fetches_nothing(a_request: MakeRequest, run: Run, tmp_path: Path) -> None:
    (tmp_path / "c.vl.json").write_text(
        '{"mark": "image", "encoding": {"url": {"value": "file:///etc/hostname"}, "x": {"field": "n"}}}'
    )
    pdf = PdfOptions(charts=(Chart("c", "C", "SELECT n FROM report", "c.vl.json"),))
    request = with_pdf(a_request("SELECT 1 AS n", Format.PDF), pdf, tmp_path)

    with pytest.raises(ReportError, match="absolute paths are not allowed") as failure:
        run(request)
    assert failure.value.code == "template_failed"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("file:///etc/hostname", "access denied"), ("/etc/hostname", "access denied"),
        ("https://example.com/a.json", "url not allowed"), ("data/cars.json", "Unsupported data URL"),
    ],
)  # fmt: skip
def test_a_chart_has_no_data_but_its_querys(
    url: str, said: str, a_request: MakeRequest, run: Run, tmp_path: Path
) -> None:
    layer = {"data": {"url": url}, "mark": "bar", "encoding": {"x": {"field": "n", "type": "quantitative"}}}
    (tmp_path / "c.vl.json").write_text(json.dumps({"layer": [layer]}))
    pdf = PdfOptions(charts=(Chart("c", "C", "SELECT n FROM report", "c.vl.json"),))

    with pytest.raises(ReportError, match=said) as failure:
        run(with_pdf(a_request("SELECT 1 AS n", Format.PDF), pdf, tmp_path))
    assert (failure.value.code, failure.value.retryable) == ("chart_failed", False)
    assert "VLC_" not in str(failure.value)


def test_a_report_type_without_a_folder_has_a_document_too(a_request: MakeRequest, run: Run) -> None:
    report: ReportType = a_request("SELECT 1 AS a", Format.PDF).report
    assert report.folder is None
    assert run(a_request("SELECT 1 AS a", Format.PDF))[0].rows == 1


def test_columns_that_do_not_fit_go_on_in_further_pages(a_request: MakeRequest, run: Run) -> None:
    query = "SELECT " + ", ".join(f"'val{n}_0' AS column{n}" for n in range(1, 101)) + " FROM generate_series(1, 3)"
    [file] = run(a_request(query, Format.PDF))

    with pikepdf.open(file.path) as document:
        assert len(document.pages) > 5
    text = " ".join(text_of(file))
    assert not [n for n in range(1, 101) if f"val{n}_0" not in text]
    assert not [n for n in range(1, 101) if f"column{n}" not in text]
    assert "…" not in text


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ('{"mark": "bar", "encoding": {"x": {"field": "n", "type": "quantative"}}}', "Invalid field type"),
        (
            '{"mark": "bar", "transform": [{"calculate": "f(", "as": "a"}], "encoding": {"x": {"field": "a"}}}',
            "end of input",
        ),
    ],
)
def test_a_wrong_chart_says_why(spec: str, told: str, a_request: MakeRequest, run: Run, tmp_path: Path) -> None:
    (tmp_path / "c.vl.json").write_text(spec)
    pdf = PdfOptions(charts=(Chart("c", "C", "SELECT n FROM report", "c.vl.json"),))

    with pytest.raises(ReportError, match=told) as failure:
        run(with_pdf(a_request("SELECT 1 AS n", Format.PDF), pdf, tmp_path))
    assert (failure.value.code, failure.value.retryable) == ("chart_failed", False)


def test_a_template_that_fails_shows_no_path_of_the_worker(a_request: MakeRequest, run: Run, tmp_path: Path) -> None:
    (tmp_path / "template.typ").write_text('#read("/etc/passwd")')

    with pytest.raises(ReportError) as failure:
        run(with_pdf(a_request("SELECT 1 AS n", Format.PDF), PdfOptions(), tmp_path))
    assert failure.value.code == "template_failed"
    assert "parts" not in str(failure.value)
    assert str(tmp_path) not in str(failure.value)


def test_a_folder_is_found_however_it_was_written(
    a_request: MakeRequest, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`check catalog` and CATALOG_PATH=catalog: the process of a report leaves the folder that this starts from."""
    monkeypatch.chdir(tmp_path)
    folder = Path("catalog/report")
    folder.mkdir(parents=True)
    (folder / "template.typ").write_text("canary")
    (folder / "c.vl.json").write_text('{"mark": "bar", "encoding": {"x": {"field": "n"}}}')
    pdf = PdfOptions(charts=(Chart("c", "C", "SELECT n FROM report", "c.vl.json"),))

    [file] = run(with_pdf(a_request("SELECT 1 AS n", Format.PDF), pdf, folder))
    assert "canary" in text_of(file)[0]


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ('#import "@preview/cetz:0.2.0": canvas', "template.typ in line 1 .*@preview/cetz:0.2.0, and none is fetched"),
        ('#import "@pre" + "view/cetz:0.2.0": *', "cetz.*, and packages are not fetched"),
    ],
)
def test_a_template_fetches_no_package_and_says_which(
    template: str, told: str, a_request: MakeRequest, run: Run, tmp_path: Path
) -> None:
    """The first is seen before Typst begins. The second finds no network: its failure takes no look-up."""
    (tmp_path / "template.typ").write_text(template)

    with pytest.raises(ReportError) as failure:
        run(with_pdf(a_request("SELECT 1 AS n", Format.PDF), PdfOptions(), tmp_path))
    assert failure.value.code == "template_failed"
    assert re.search(told, str(failure.value))
    assert not re.search("Dns|http", str(failure.value))


def test_a_link_that_a_catalog_got_after_it_was_loaded_is_not_followed(
    a_request: MakeRequest, run: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "catalog" / "report"
    folder.mkdir(parents=True)
    (tmp_path / "secret").write_text("canary")
    (folder / "template.typ").write_text('#read("secret.txt")')
    (folder / "secret.txt").symlink_to(tmp_path / "secret")

    with pytest.raises(ReportError, match="leads out of the catalog") as failure:
        run(with_pdf(a_request("SELECT 1 AS n", Format.PDF), PdfOptions(), folder))
    assert failure.value.code == "template_failed"
