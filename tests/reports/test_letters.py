"""Every letter of a PDF is drawn from one chain of fonts or named in the job's warnings; no text is cut."""

import hashlib
import json
import re
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pikepdf
import pypdfium2
import pytest

from deploy.tools.faces import RECORD
from shared.catalog.grouping import Grouping
from shared.catalog.model import Format, Limits, PdfOptions, SummaryTable
from shared.reports.formats import chart
from shared.reports.formats.edition import nothing_matches
from shared.reports.formats.pdf import bidi, fonts, letters, lines
from shared.reports.formats.pdf.fonts import FontSet
from shared.reports.formats.pdf.outlines import with_outlines
from shared.reports.interface import RenderedFile
from shared.reports.render import render_files
from shared.reports.warnings import WarningCode
from tests.reports.conftest import MakeRequest, Run, a_report
from tests.reports.test_pdf import text_of, with_pdf

DRAWN = {
    "pl": "Zażółć gęślą jaźń", "ro": "Ștefan Țepeș", "uk": "Київ ґ є ї", "el": "Αθήνα ά ή", "tr": "Türkiye ğ ı İ",  # noqa: RUF001
    "vi": "Tiếng Việt ổ ự", "mix": "日本 ğ ї ș", "ko": "한국어", "zh": "这们说", "jp": "說が", "ka": "ქართული",
    "hy": "Հայերեն", "sym": "✓ → ≤ ½ € ₴", "emoji": "🛫❤",
}  # fmt: skip
JOINED = {
    "th": "ไทย น้ำ",
    "hi": "हिन्दी क्षत्रिय",
    "ar": "شركة لا",
    "he": "שלום",
    "marks": "x\u0316",
    "family": "👩\u200d👧",
}
FROM_RIGHT = {"ar", "he"}
NAMED = {"ta": "தமிழ்", "bn": "বাংলা", "km": "ខ្មែរ"}


def _rows(texts: Sequence[str], count: int) -> str:
    values = ", ".join(f"('{text}')" for text in texts)
    return f"SELECT t, n FROM (VALUES {values}) v(t), generate_series(1, {-(-count // len(texts))}) n LIMIT {count}"


@pytest.fixture
def quick() -> Run:
    """Renders in this process, which is quicker than in a child."""
    return lambda request: render_files(request, lambda _: None)


def font_names(file: RenderedFile) -> set[str]:
    with pikepdf.open(file.path) as document:
        found = [one for one in document.objects if isinstance(one, pikepdf.Dictionary) and "/FontName" in one]
        return {str(one.FontName).partition("+")[2] for one in found}


@pytest.mark.parametrize("rows", [60, 61])
def test_every_letter_is_drawn_and_can_be_copied(rows: int, a_request: MakeRequest, quick: Run) -> None:
    [file] = quick(a_request(_rows(list(DRAWN.values()), rows), Format.PDF))

    text = " ".join("".join(text_of(file)).split())
    assert [one for one in DRAWN.values() if one not in text] == []
    assert file.warnings == ()


@pytest.mark.parametrize("rows", [60, 61])
def test_letters_that_no_font_has_are_named(rows: int, a_request: MakeRequest, quick: Run) -> None:
    request = a_request(_rows(list(NAMED.values()), rows), Format.PDF)
    [file] = quick(request)

    [warning] = file.warnings
    assert warning.code == WarningCode.LETTERS_MISSING
    assert warning.file == "orders.pdf"
    assert "U+0BA4 TAMIL LETTER TA" in warning.characters
    assert len(warning.characters) == len({letter for text in NAMED.values() for letter in text})
    manifest = json.loads((request.scratch / "manifest.json").read_text())["manifest"]
    assert manifest["warnings"] == [dict(warning.as_json())]
    assert {name.partition("-")[0] for name in font_names(file)} == {"NotoSans"}
    if rows > 60:
        assert set("".join(NAMED.values())) <= set("".join(text_of(file)))  # whoever copies the text has the letters


@pytest.mark.parametrize("rows", [60, 61, 5001])
def test_letters_that_need_their_neighbours_have_them(rows: int, a_request: MakeRequest, run: Run, quick: Run) -> None:
    """With few rows Typst sets them, with many HarfBuzz on the canvas: no letter is missing, and all can be copied."""
    # The longest one in a child, confined as a worker confines it.
    [file] = (run if rows > 5000 else quick)(a_request(_rows(list(JOINED.values()), rows), Format.PDF))

    assert not file.warnings
    text = text_of(file)[-1]
    assert {one for one in "".join(JOINED.values()) if not one.isspace()} <= set(text)
    assert [JOINED[one] for one in JOINED.keys() - FROM_RIGHT if JOINED[one] not in text] == []
    assert {"NotoSansArabic", "NotoSansHebrew", "NotoSansDevanagari", "NotoSansThai"} <= {
        name.partition("-")[0] for name in font_names(file)
    }


def test_glyphs_stand_where_their_script_wants_them() -> None:
    """Letters from right to left stand last to first; joined ones take less room than each alone; marks take none."""
    font_set = fonts.FontSet(None)

    def placed(text: str) -> list[tuple[str, float]]:
        pieces = font_set.drawn(text)
        return [(g.code, g.advance) for _, piece in pieces if not isinstance(piece, str) for g in piece.glyphs]

    alef, lam = "\u0627", "\u0644"
    assert font_set.width(lam + alef, 10) < font_set.width(lam, 10) + font_set.width(alef, 10)
    [first, *_] = placed("שלום")
    assert first == placed("ם")[0]
    assert [advance for _, advance in placed("น้")][1:] == [0.0]
    assert [piece for _, piece in font_set.drawn("☀\ufe0f") if piece != "☀"] == []
    assert font_set.width("x\u0316", 10) == font_set.width("x", 10)
    assert font_set.width("क्ष", 10) < font_set.width("क", 10) + font_set.width("ष", 10)


@pytest.mark.parametrize("rows", [20, 200])
def test_a_document_from_right_to_left_has_its_columns_so_too(rows: int, a_request: MakeRequest, quick: Run) -> None:
    query = f"SELECT 'first' AS a, 100 + n AS b, 'last' AS c FROM generate_series(1, {rows}) n"
    request = a_request(query, Format.PDF, Format.HTML, Format.XLSX)
    pdf, html, workbook = quick(replace(request, report=replace(request.report, language="ar")))

    page = pypdfium2.PdfDocument(pdf.path)[0].get_textpage()
    text = page.get_text_range()
    left, right = {}, {}
    for word in ("first", "101", "last"):
        at = text.index(word)
        boxes = [page.get_charbox(n) for n in range(at, at + len(word))]
        left[word], right[word] = min(box[0] for box in boxes), max(box[2] for box in boxes)
    assert left["first"] > right["101"] > left["101"] > right["last"]
    assert 'lang="ar" dir="rtl"' in html.path.read_text()
    with zipfile.ZipFile(workbook.path) as parts:
        assert b' rightToLeft="1"' in parts.read("xl/worksheets/sheet1.xml")


@pytest.mark.parametrize("rows", [3, 61, 200])
def test_dates_and_identifiers_keep_their_order_among_letters_from_the_right(
    rows: int, a_request: MakeRequest, quick: Run
) -> None:
    request = a_request(f"SELECT n FROM generate_series(1, {rows}) AS n", Format.PDF)
    report = replace(request.report, language="ar", version="2-7", title="مبيعات")
    [file] = quick(replace(request, report=report, job_id="0192f0c1-77ab-7c40"))

    lines = [line for page in pypdfium2.PdfDocument(str(file.path)) for line in _lines_as_they_look(page)]
    jobs, dates = ([line for line in lines if part in line] for part in ("f0c1", "UTC"))
    assert [line for line in jobs if "0192f0c1-77ab-7c40" not in line] == []
    assert [line for line in dates if not re.search(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[0-9]{2}:[0-9]{2}UTC", line)] == []
    assert len(jobs) > 1
    assert dates


@pytest.mark.parametrize("rows", [3, 61])
def test_a_date_keeps_its_order_in_the_label_of_a_total(rows: int, a_request: MakeRequest, quick: Run) -> None:
    request = a_request(f"SELECT date '2026-01-31' AS day, n FROM generate_series(1, {rows}) AS n", Format.PDF)
    report = replace(request.report, language="ar", title="مبيعات", grouping=Grouping(("day",), {"n": "sum"}))
    [file] = quick(replace(request, report=report))

    lines = [line for page in pypdfium2.PdfDocument(str(file.path)) for line in _lines_as_they_look(page)]
    labels = [line for line in lines if "31" in line and "2026" in line and "UTC" not in line]
    assert len(labels) > 1
    assert [line for line in labels if "2026-01-31" not in line] == []


@pytest.mark.parametrize(("value", "shown"), [("2026-01-31", "\u200e2026-01-31\u200e"), ("شمال 7", "شمال 7")])
def test_the_sentence_of_no_rows_keeps_the_order_of_dates(value: str, shown: str) -> None:
    rendering: Any = SimpleNamespace(
        extract=SimpleNamespace(rows=0), language="ar", from_right=True, shown_parameters=lambda: [("س", value)]
    )

    assert nothing_matches(rendering).endswith(f"(س: {shown}).")


_DIRECTED = ("+81-3-1234", "12/34 5", "=1+1", "v1.", "abc שלום -5!", "שלום abc -5!", "שלום!", "C++")


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("rows", [1, 200])
def test_each_cell_runs_in_the_direction_of_its_first_letter(
    language: str, rows: int, a_request: MakeRequest, quick: Run
) -> None:
    """-5.50 was 5.50- and a telephone's number ended with its plus in a short table of a document from the right."""
    texts = ", ".join(f"'{text}' AS {chr(97 + at)}" for at, text in enumerate(_DIRECTED))
    query = f"SELECT -5.5 AS n, timestamp '2024-01-02 03:04:05' AS z, {texts} FROM generate_series(1, {rows})"
    request = with_pdf(
        a_request(query, Format.PDF),
        PdfOptions(figures=SummaryTable("figures", "", "SELECT -7.5 AS x FROM report LIMIT 1", {})),
    )
    [file] = quick(replace(request, report=replace(request.report, language=language)))

    lines = "\n".join(line for page in pypdfium2.PdfDocument(str(file.path)) for line in _lines_as_they_look(page))
    looks = ["".join(p[::-1] if right else p for p, right in bidi.in_order(text)) for text in _DIRECTED]
    wanted = [look.replace(" ", "") for look in ("-5.5", "-7.5", "2024-01-02 03:04:05", *looks)]
    assert [look for look in wanted if look not in lines] == []


@pytest.mark.parametrize("rows", [1, 200])
def test_a_tab_keeps_two_words_apart(rows: int, a_request: MakeRequest, quick: Run) -> None:
    [file] = quick(a_request(f"SELECT E'one\\ttwo' AS a FROM generate_series(1, {rows})", Format.PDF))

    assert re.search(r"one +two", pypdfium2.PdfDocument(str(file.path))[0].get_textpage().get_text_range())


def _lines_as_they_look(page: pypdfium2.PdfPage) -> list[str]:
    """The letters of each line from left to right, without spaces."""
    text = page.get_textpage()
    lines: dict[int, list[tuple[float, str]]] = {}
    for n in range(text.count_chars()):
        left, bottom, *_ = text.get_charbox(n, loose=True)
        lines.setdefault(round(bottom / 3), []).append((left, text.get_text_range(n, 1)))
    return [
        "".join(letter for _, letter in sorted(line) if letter.isprintable()).replace(" ", "")
        for line in lines.values()
    ]


def test_texts_of_charts_name_the_fonts_of_their_letters(tmp_path: Path) -> None:
    spec = {"mark": "bar", "encoding": {"y": {"field": "n", "type": "nominal"}}}
    report = replace(a_report("SELECT 1"), language="ar")
    (tmp_path / "c.json").write_text(json.dumps(spec))
    drawn = chart.draw(tmp_path / "c.json", [{"n": "2025 يناير"}, {"n": "plain"}], report, None)

    assert '<tspan font-family="Noto Sans">2025 </tspan><tspan font-family="Noto Sans Arabic">يناير</tspan>' in drawn
    assert ">plain</text" in drawn
    assert {"2025 ", "يناير", "plain"} <= set(chart.texts(drawn))


def test_lines_of_a_title_name_the_fonts_of_their_letters_too(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('{"mark": "bar", "title": ["2025 يناير", "two"], "encoding": {}}')
    drawn = chart.draw(tmp_path / "c.json", [{"n": 1}], a_report("SELECT 1"), None)

    assert '<tspan font-family="Noto Sans Arabic">يناير</tspan>' in drawn


@pytest.mark.parametrize(
    ("text", "anchor", "left", "right"),
    [
        ("हिन्दी", "start", 0, 19),
        ("ค่าน้ำ", "middle", -9.4, 9.4),
        ("می\u200cخواهم", "end", -37, 0),  # noqa: RUF001
        ("שלום 12", "end", -35, 0),
    ],
)
def test_texts_of_a_pdfs_chart_are_outlines_where_letters_join(
    text: str, anchor: str, left: float, right: float
) -> None:
    """Typst sets the letters of an SVG font by font: Devanagari lay upon each other, and a Persian word lost one."""
    look = f'text-anchor="{anchor}" transform="x" font-size="10px" fill="#123"'
    svg = f"<svg><text {look}>{text}</text><text>a</text></svg>"
    drawn = with_outlines(svg, FontSet(None))

    [path] = re.findall(r'<svg><g transform="x" fill="#123"><path d="([^"]+)"/></g><text>a</text></svg>', drawn)
    places = [float(x) for x in re.findall(r"(-?[0-9.]+) -?[0-9.]+", path)]
    assert [min(places), max(places)] == pytest.approx([left, right], abs=2)


def test_a_text_with_a_letter_that_no_font_has_stays_text() -> None:
    svg = '<svg><text font-size="10px">தம شركة</text></svg>'
    assert with_outlines(svg, FontSet(None)) == svg


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("abc", "abc"), ("שלום", "םולש"), ("abc שלום def", "abc םולש def"), ("שלום abc", "abc םולש"),
        ("שלום 12.5", "12.5 םולש"), ("a (ב) ג", "a (ב) ג"), ("a ב (ג)", "a )ג( ב"), ("שלום (abc)", ")abc( םולש"),
        ("שלום 15%", "15% םולש"), ("نور 2024-05", "05-2024 رون"), ("نور 1,5", "1,5 رون"), ("ab ", "ab "),
        ("שלום ", " םולש"), ("", ""), ("a \u200eב", "a \u200eב"),
    ],
)  # fmt: skip
def test_lines_run_in_the_order_of_their_letters(text: str, drawn: str) -> None:
    assert "".join(piece[::-1] if from_right else piece for piece, from_right in bidi.in_order(text)) == drawn


def test_a_letter_without_a_font_is_named_wherever_it_stands(a_request: MakeRequest, quick: Run) -> None:
    request = a_request("SELECT 1 AS n", Format.PDF)
    table = SummaryTable("t", "தம", "SELECT 'ខ' AS x FROM report", {})
    request = with_pdf(request, PdfOptions(tables=(table,)))
    [file] = quick(replace(request, report=replace(request.report, title="বাং")))

    [warning] = file.warnings
    assert {"U+0BA4 TAMIL LETTER TA", "U+09AC BENGALI LETTER BA", "U+1781 KHMER LETTER KHA"} <= set(warning.characters)


def test_a_font_of_the_settings_draws_what_the_others_lack(a_request: MakeRequest, quick: Run, tmp_path: Path) -> None:
    """Any TrueType file: here one of ours with another letter's place."""
    [face] = [one for one in fonts.chain(None) if one.family == "DejaVu Sans"]
    (tmp_path / "Own.ttf").write_bytes(face.regular.read_bytes())
    (tmp_path / "broken.ttf").write_bytes(b"\0\1\0\0")

    assert [one.family for one in fonts.chain(tmp_path)][:2] == ["Noto Sans", "DejaVu Sans"]
    [file] = quick(replace(a_request("SELECT '✓' AS t FROM generate_series(1, 61)", Format.PDF), fonts=tmp_path))
    assert "✓" in text_of(file)[-1]


def test_the_faces_are_those_of_the_record_and_free() -> None:
    record = json.loads(RECORD.read_text())
    faces = {path.name for path in fonts.FACES.glob("*.ttf")}

    assert {one["face"] for one in record} == faces
    assert faces == {p.name for f in fonts.chain(None) for p in (f.regular, f.bold) if p}
    for one in record:
        assert hashlib.sha256((fonts.FACES / one["face"]).read_bytes()).hexdigest() == one["sha256"], one["face"]
        assert one["licence"] in {"OFL-1.1", "Bitstream-Vera AND LicenseRef-Public-Domain"}


@pytest.mark.parametrize("rows", [3, 61])
def test_bold_letters_are_those_of_a_bold_face(rows: int, a_request: MakeRequest, quick: Run) -> None:
    """In headings of groups and in totals, which Typst sets in short tables, and a canvas draws in long ones."""
    request = a_request(f"SELECT '한국어 简体说 日本語 Ωж' AS g, n FROM generate_series(1, {rows}) n", Format.PDF)
    report = replace(request.report, grouping=Grouping(("g",), {"n": "sum"}))
    [file] = quick(replace(request, report=report))

    bold = {name for name in font_names(file) if name.endswith("-Bold")}
    assert bold == {"NotoSans-Bold", "NotoSansKR-Bold", "NotoSansSC-Bold", "NotoSansJP-Bold"}


@pytest.mark.parametrize("rows", [3, 61])
def test_a_text_is_there_to_its_last_letter(rows: int, a_request: MakeRequest, quick: Run) -> None:
    query = f"""SELECT n AS id, 'word{{}} ' || n AS a, repeat('several words ', 40) || 'end' || n AS words,
                       repeat('x', 300) || 'y' AS long, repeat('長', 200) || '。終' AS wide, E'one\\ntwo' AS broken
                  FROM generate_series(1, {rows}) AS n ORDER BY n"""
    [file] = quick(a_request(query, Format.PDF))

    text = re.sub(r"\s|\ufffe", "", "".join(text_of(file)))
    assert text.count("several") == 40 * rows
    assert [n for n in range(1, rows + 1) if f"end{n}" not in text] == []
    assert text.count("x") == 300 * rows
    assert text.count("長") == 200 * rows
    assert "…" not in text


def test_a_row_longer_than_a_page_goes_on_in_the_next_ones(a_request: MakeRequest, quick: Run) -> None:
    query = """SELECT n, CASE WHEN n = 61 THEN repeat('text ', 20000) || 'end' ELSE 'short' END AS t
                 FROM generate_series(1, 62) n ORDER BY n"""
    [file] = quick(a_request(query, Format.PDF))

    pages = text_of(file)
    words = " ".join(pages).split()
    assert (words.count("text"), words.count("short")) == (20_000, 61)
    assert max(page.count("text") for page in pages) < 3_000  # also what lies below a page's end can be copied
    assert [f"Page {n} of {len(pages)}" in page for n, page in enumerate(pages, 1)] == [True] * len(pages)


def test_no_number_of_a_long_table_is_broken(a_request: MakeRequest, quick: Run) -> None:
    """Also those that stand far behind the rows by which the columns' widths are found."""
    query = """SELECT n, CASE WHEN n = 700 THEN 98765432109876543210.125 ELSE 1 END::numeric AS v,
                      repeat('w ', 200) AS t FROM generate_series(1, 700) n ORDER BY n"""
    [file] = quick(a_request(query, Format.PDF))

    assert "98765432109876543210.125" in text_of(file)[-1].split()


def test_a_value_looks_the_same_with_60_rows_and_with_61(a_request: MakeRequest, quick: Run) -> None:
    values = ["123456789012345678901234567890123456789012345.125", "NaN", "1e400", "0.00000000000000000000000000000001"]
    rows = ", ".join(f"('{value}'::numeric)" for value in values)
    query = f"SELECT 'v' AS k, v FROM (VALUES {rows}) t(v), generate_series(1, 16) n LIMIT {{}}"
    few, many = (quick(a_request(query.format(rows), Format.PDF))[0] for rows in (60, 61))

    shown = [set(re.sub(r"\s", "", "".join(text_of(file))).split("v")) for file in (few, many)]
    assert {values[0], values[1], "1" + "0" * 400, values[3]} <= shown[0] & shown[1]


def test_tabs_and_line_ends_are_no_missing_letters(a_request: MakeRequest, quick: Run) -> None:
    for rows in (3, 61):
        [file] = quick(a_request(f"SELECT E'a\\tb\\r\\nc\\u2028d' AS t FROM generate_series(1, {rows})", Format.PDF))
        assert file.warnings == ()


def test_few_rows_of_long_texts_do_not_need_a_typesetters_memory(a_request: MakeRequest, run: Run) -> None:
    request = a_request("SELECT repeat('x', 300000) AS t, n FROM generate_series(1, 2) n", Format.PDF)
    [file] = run(replace(request, report=replace(request.report, limits=Limits(memory_mb=256, timeout_s=60))))

    pages = pypdfium2.PdfDocument(file.path)
    assert sum(page.get_textpage().get_text_range().count("x") for page in pages) == 600_000


def test_summaries_that_are_too_wide_go_on_in_a_further_block(a_request: MakeRequest, quick: Run) -> None:
    wide = ", ".join(f"'value{n}' AS a_long_column_{n}" for n in range(40))
    table = SummaryTable("t", "Wide", f"SELECT 'key' AS key, {wide} FROM report", {})
    [file] = quick(with_pdf(a_request("SELECT 1 AS n", Format.PDF), PdfOptions(tables=(table,))))

    words = "".join(text_of(file)).split()
    assert [n for n in range(40) if f"value{n}" not in words] == []
    assert words.count("Wide") == 1
    blocks = words.count("key") / 2  # heading and cell
    assert blocks > 2
    page = pypdfium2.PdfDocument(file.path)[0].get_textpage()
    width = pypdfium2.PdfDocument(file.path)[0].get_width()
    assert all(page.get_rect(n)[2] < width - 36 for n in range(page.count_rects()))


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("one two", 7, ["one two"]), ("one two", 6, ["one", "two"]), ("one-two", 4, ["one-", "two"]),
        ("abcdef", 4, ["abcd", "ef"]), ("a abcdef", 4, ["a", "abcd", "ef"]), ("日本語日本", 2, ["日本", "語日", "本"]),
        ("日本。語", 2, ["日", "本。", "語"]), ("「日本", 2, ["「日", "本"]), ("a (分)", 3, ["a", "(分)"]),
        ("a\nb", 9, ["a", "b"]), ("", 5, [""]),
        ("a\n\nb", 9, ["a", "", "b"]), ("abx\u0301cd", 3, ["abx\u0301", "cd"]), ("  ab", 2, ["", "ab"]),
        ("กขเคง", 3, ["กข", "เคง"]),
    ],
)  # fmt: skip
def test_lines_are_broken_where_readers_expect_it(text: str, width: int, expected: list[str]) -> None:
    def measure(one: str) -> float:
        return sum(not letters.is_mark(letter) and letter != "\u200d" for letter in one)

    assert list(lines.broken(text, width, measure)) == expected
