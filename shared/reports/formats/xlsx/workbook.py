"""Writes the parts of a workbook around its rows (ECMA-376, SpreadsheetML; read 2026-11-24)."""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from xml.sax.saxutils import escape, quoteattr

from shared.reports.formats.xlsx.charts import ChartPart, drawing_parts
from shared.reports.formats.xlsx.limits import column_letters, escape_itself, one_line
from shared.reports.formats.xlsx.styles import Style, Styles
from shared.reports.formats.xlsx.zip_file import PartWriter, ZipFile

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPES = "application/vnd.openxmlformats-officedocument"
# All columns on one page's width, and as many pages as the rows need.
_FIT = '<sheetPr><outlinePr summaryBelow="1"/><pageSetUpPr fitToPage="1"/></sheetPr>'
_ON_PAPER = (
    '<pageSetup paperSize="{paper}" orientation="{side}" fitToWidth="1" fitToHeight="0"/>'
    "<headerFooter><oddFooter>&amp;L{title}&amp;R&amp;P / &amp;N</oddFooter></headerFooter>"
)
_PAPERS: Mapping[str, int] = {"a4": 9, "us-letter": 1}
"""Their numbers (ECMA-376, 18.3.1.63). Without one, Excel uses American paper."""
_LONGEST_FOOTER = 120
"""Characters of a title at the foot of a printed page, out of the 255 that Excel allows for the whole footer."""
_LINE_POINTS = 15.0


@dataclass(frozen=True, slots=True)
class SheetColumn:
    """How a column looks."""

    header: str
    width: float
    """Characters."""
    number: bool = False
    """True aligns the header to the right, above numbers."""
    rules: Sequence[str] = ()
    """Conditional formats, as `<cfRule>` elements without priority."""


class Workbook:
    """Writes an .xlsx file, which is complete once the block ends without an error."""

    def __init__(self, path: Path, *, title: str, accent: str, from_right: bool = False, paper: str = "a4") -> None:
        self._title = title
        # An ampersand begins a code there, and is literal when doubled.
        self._foot = escape(one_line(title)[:_LONGEST_FOOTER].replace("&", "&&"))
        self._paper = _PAPERS[paper]
        self._from_right = ' rightToLeft="1"' if from_right else ""
        self._sheets: list[tuple[str, bool]] = []
        self._drawings: dict[int, int] = {}
        self._charts = 0
        self.styles = Styles()
        """The looks of its cells; more may be requested until the end of the block."""
        head = Style(bold=True, below=accent, vertical="bottom", wrap=True)
        self._header_styles = {
            number: self.styles.of(Style(**{**_fields(head), "horizontal": "right"}) if number else head)
            for number in (False, True)
        }
        self._file = path.open("wb", buffering=1 << 20)
        self._zip = ZipFile(self._file)

    @contextlib.contextmanager
    def sheet(self, name: str, columns: Sequence[SheetColumn], *, levels: int = 0) -> Iterator["Sheet"]:
        """Add a worksheet with a bold frozen header and a filter. The block adds its rows.

        `levels` is the depth of its groups.
        """
        with self._part(name, has_header=True) as part:
            sheet = Sheet(part.all)
            part.all([self._head(columns, levels).encode()])
            yield sheet
            end = f"{column_letters(len(columns) - 1)}{sheet.rows + 1}"
            part.all([f'</sheetData><autoFilter ref="A1:{end}"/>'.encode()])
            part.all(_conditions(columns, sheet.rows + 1))
            part.all([f"{self._on_paper('landscape')}</worksheet>".encode()])

    def page(self, name: str, widths: Sequence[float], rows: Iterable[str], charts: Sequence[ChartPart] = ()) -> None:
        """Add a worksheet for reading: rows as `<row>` elements, and charts over its cells."""
        with self._part(name, has_header=False) as part:
            number = len(self._sheets)
            part.all([
                f'{_XML}<worksheet xmlns="{_MAIN}" xmlns:r="{_RELATIONS}">{_FIT}<sheetViews><sheetView '
                f'showGridLines="0"{self._from_right}{_selected(number)} workbookViewId="0"/></sheetViews>'
                f'<sheetFormatPr defaultRowHeight="15"/>{_widths(widths)}<sheetData>'.encode()
            ])  # fmt: skip
            part.all(row.encode() for row in rows)
            drawing = '<drawing r:id="rId1"/>' if charts else ""
            part.all([f"</sheetData>{self._on_paper('portrait')}{drawing}</worksheet>".encode()])
        if charts:
            self._draw(number, charts)

    def _on_paper(self, side: str) -> str:
        return _ON_PAPER.format(paper=self._paper, side=side, title=self._foot)

    def _draw(self, sheet: int, charts: Sequence[ChartPart]) -> None:
        drawing = len(self._drawings) + 1
        self._drawings[sheet] = drawing
        relations = _relations(("drawing", f"../drawings/drawing{drawing}.xml"))
        self._add(f"xl/worksheets/_rels/sheet{sheet}.xml.rels", relations)
        body, parts = drawing_parts(charts)
        self._add(f"xl/drawings/drawing{drawing}.xml", body)
        targets = [("chart", f"../charts/chart{self._charts + n}.xml") for n in range(1, len(parts) + 1)]
        self._add(f"xl/drawings/_rels/drawing{drawing}.xml.rels", _relations(*targets))
        for part in parts:
            self._charts += 1
            self._add(f"xl/charts/chart{self._charts}.xml", part)

    @contextlib.contextmanager
    def _part(self, name: str, *, has_header: bool) -> Iterator[PartWriter]:
        self._sheets.append((name, has_header))
        with self._zip.part(f"xl/worksheets/sheet{len(self._sheets)}.xml") as part:
            yield part

    def _head(self, columns: Sequence[SheetColumn], levels: int) -> str:
        header = "".join(
            text_cell(f"{column_letters(at)}1", column.header, self._header_styles[column.number])
            for at, column in enumerate(columns)
        )
        lines = max((_lines(column.header, column.width) for column in columns), default=1)
        outline = f' outlineLevelRow="{levels}"' if levels else ""
        return (
            f'{_XML}<worksheet xmlns="{_MAIN}">{_FIT}<sheetViews>'
            f'<sheetView{self._from_right}{_selected(len(self._sheets))} workbookViewId="0">'
            '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
            f'<sheetFormatPr defaultRowHeight="15"{outline}/>{_widths([c.width for c in columns])}<sheetData>'
            f'<row spans="1:{len(columns)}" r="1" ht="{lines * _LINE_POINTS + 3:g}" customHeight="1">{header}</row>\n'
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            if error is None:
                self._finish()

    def _finish(self) -> None:
        for name, content in {
            "xl/styles.xml": self.styles.xml(),
            "xl/workbook.xml": self._workbook(),
            "xl/_rels/workbook.xml.rels": self._workbook_relations(),
            "docProps/core.xml": self._properties(),
            "_rels/.rels": _relations(
                ("officeDocument", "xl/workbook.xml"), ("metadata/core-properties", "docProps/core.xml")
            ),
            "[Content_Types].xml": self._content_types(),
        }.items():
            self._add(name, content)
        self._zip.close()

    def _add(self, name: str, content: str) -> None:
        self._zip.add(name, (_XML + content).encode())

    def _workbook(self) -> str:
        sheets = "".join(
            f'<sheet name={quoteattr(name)} sheetId="{n}" r:id="rId{n}"/>'
            for n, (name, _) in enumerate(self._sheets, 1)
        )
        # The header on every printed page.
        titles = "".join(
            f'<definedName name="_xlnm.Print_Titles" localSheetId="{n}">{escape(quoted_name(name))}!$1:$1</definedName>'
            for n, (name, has_header) in enumerate(self._sheets)
            if has_header
        )
        return (
            f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>{sheets}</sheets>'
            f'<definedNames>{titles}</definedNames><calcPr fullCalcOnLoad="1"/></workbook>'
        )

    def _workbook_relations(self) -> str:
        sheets = [("worksheet", f"worksheets/sheet{n}.xml") for n in range(1, len(self._sheets) + 1)]
        return _relations(*sheets, ("styles", "styles.xml"))

    def _properties(self) -> str:
        return (
            f'<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties" '
            'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" '
            'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
            f"<dc:title>{escape(one_line(self._title))}</dc:title>"
            # Some readers require a date; the same rows must give the same bytes.
            '<dcterms:created xsi:type="dcterms:W3CDTF">2000-01-01T00:00:00Z</dcterms:created></cp:coreProperties>'
        )

    def _content_types(self) -> str:
        sheet = f"{_TYPES}.spreadsheetml"
        parts = {f"/xl/worksheets/sheet{n}.xml": f"{sheet}.worksheet+xml" for n in range(1, len(self._sheets) + 1)}
        parts |= {f"/xl/drawings/drawing{n}.xml": f"{_TYPES}.drawing+xml" for n in self._drawings.values()}
        parts |= {f"/xl/charts/chart{n}.xml": f"{_TYPES}.drawingml.chart+xml" for n in range(1, self._charts + 1)}
        parts |= {
            "/xl/workbook.xml": f"{sheet}.sheet.main+xml",
            "/xl/styles.xml": f"{sheet}.styles+xml",
            "/docProps/core.xml": "application/vnd.openxmlformats-package.core-properties+xml",
        }
        overrides = "".join(f'<Override PartName="{name}" ContentType="{type_}"/>' for name, type_ in parts.items())
        return (
            f'<Types xmlns="{_PACKAGE}/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Default Extension="xml" ContentType="application/xml"/>{overrides}</Types>'
        )


class Sheet:
    """A worksheet that takes rows."""

    def __init__(self, write: Callable[[Iterable[bytes]], None]) -> None:
        self._write = write
        self.rows = 0
        """The number of rows so far, without the header."""

    def add(self, pieces: Iterable[bytes], rows: int) -> None:
        """Add rows as `row_parts` renders them, numbered from 2, in pieces of any size."""
        self._write(pieces)
        self.rows += rows


def text_cell(place: str, text: str, style: int) -> str:
    """Return a cell of text."""
    shown = escape(escape_itself(one_line(text)))
    return f'<c r="{place}" s="{style}" t="inlineStr"><is><t xml:space="preserve">{shown}</t></is></c>'


def quoted_name(sheet: str) -> str:
    """Return a sheet's name as formulas write it, with apostrophes doubled."""
    return "'" + sheet.replace("'", "''") + "'"


def _fields(style: Style) -> dict[str, Any]:
    return {name: getattr(style, name) for name in style.__slots__}


def _selected(number: int) -> str:
    return ' tabSelected="1"' if number == 1 else ""


def _widths(widths: Sequence[float]) -> str:
    columns = (f'<col min="{n}" max="{n}" width="{width:g}" customWidth="1"/>' for n, width in enumerate(widths, 1))
    return f"<cols>{''.join(columns)}</cols>" if widths else ""


def _lines(header: str, width: float) -> int:
    """Return how many lines a header takes in its column: Excel computes no heights for files that it did not write."""
    room, lines, taken = max(width - 1, 1.0), 1, 0.0
    for word in re.findall(r"[\u2e80-\uffef]|[^\s\u2e80-\uffef]+\s*|\s+", header):
        wide = sum(_WIDE if letter > "\u2e80" else _BOLD for letter in word.rstrip())
        if taken and taken + wide > room:
            lines, taken = lines + 1, 0.0
        lines += int(wide // room) if wide > room else 0
        taken += wide + word.count(" ") * _BOLD
    return lines


_WIDE, _BOLD = 2.0, 1.1
"""Widths, in characters, of an East Asian letter, and of a bold Latin one."""


def _conditions(columns: Sequence[SheetColumn], last: int) -> Iterator[bytes]:
    """Yield the conditional formats of all columns, numbered across the sheet."""
    priority = 0
    for at, column in enumerate(columns):
        letters, rules = column_letters(at), []
        for rule in column.rules:
            priority += 1
            rules.append(
                rule.replace("<cfRule ", f'<cfRule priority="{priority}" ', 1).replace("{cell}", f"{letters}2")
            )
        if rules:
            place = f"{letters}2:{letters}{max(last, 2)}"
            yield f'<conditionalFormatting sqref="{place}">{"".join(rules)}</conditionalFormatting>'.encode()


def _relations(*targets: tuple[str, str]) -> str:
    office, package = _RELATIONS, f"{_PACKAGE}/relationships"
    lines = "".join(
        f'<Relationship Id="rId{n}" Type="{package if "/" in kind else office}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(targets, 1)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{lines}</Relationships>'
