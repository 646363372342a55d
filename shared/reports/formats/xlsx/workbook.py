"""Writes the parts of a workbook around its rows (ECMA-376, SpreadsheetML; read 2026-11-24)."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from xml.sax.saxutils import escape, quoteattr

from shared.reports.formats.xlsx.limits import column_letters
from shared.reports.formats.xlsx.zip_file import ZipFile

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_FIRST_FORMAT_ID = 164
"""The first id that is free; those below are Excel's own number formats."""
_HEADER_STYLE = 1
# Landscape, all columns on one page's width, as many pages as the rows need.
_FIT = '<sheetPr><pageSetUpPr fitToPage="1"/></sheetPr>'
_ON_PAPER = '<pageSetup orientation="landscape" fitToWidth="1" fitToHeight="0"/>'


@dataclass(frozen=True, slots=True)
class SheetColumn:
    """How a column looks."""

    header: str
    width: float
    """Characters."""


class Workbook:
    """Writes an .xlsx file, which is whole once the block ends without an error.

    `formats` are number formats such as `#,##0.0`; `style_of` gives the index that a cell names.
    """

    def __init__(self, path: Path, *, title: str, formats: Iterable[str]) -> None:
        self._title = title
        self._formats = list(dict.fromkeys(formats))
        self._sheets: list[str] = []
        self._file = path.open("wb", buffering=1 << 20)
        self._zip = ZipFile(self._file)

    def style_of(self, number_format: str) -> int:
        """Return the style of cells with this number format; 0 for none."""
        return self._formats.index(number_format) + _HEADER_STYLE + 1 if number_format else 0

    @contextlib.contextmanager
    def sheet(self, name: str, columns: Sequence[SheetColumn]) -> Iterator["Sheet"]:
        """Add a worksheet with a bold frozen header and a filter. The block adds its rows."""
        self._sheets.append(name)
        with self._zip.part(f"xl/worksheets/sheet{len(self._sheets)}.xml") as part:
            sheet = Sheet(part.all)
            part.all([_sheet_head(columns, selected=len(self._sheets) == 1).encode()])
            yield sheet
            last = f"{column_letters(len(columns) - 1)}{sheet.rows + 1}"
            part.all([f'</sheetData><autoFilter ref="A1:{last}"/>{_ON_PAPER}</worksheet>'.encode()])

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
            "xl/styles.xml": self._styles(),
            "xl/workbook.xml": self._workbook(),
            "xl/_rels/workbook.xml.rels": self._workbook_relations(),
            "docProps/core.xml": self._properties(),
            "_rels/.rels": _relations(
                ("officeDocument", "xl/workbook.xml"), ("metadata/core-properties", "docProps/core.xml")
            ),
            "[Content_Types].xml": self._content_types(),
        }.items():
            self._zip.add(name, (_XML + content).encode())
        self._zip.close()

    def _workbook(self) -> str:
        sheets = "".join(
            f'<sheet name={quoteattr(name)} sheetId="{n}" r:id="rId{n}"/>' for n, name in enumerate(self._sheets, 1)
        )
        # The header on every printed page. An apostrophe in a quoted name is doubled.
        titles = "".join(
            f'<definedName name="_xlnm.Print_Titles" localSheetId="{n}">\'{escape(quoted)}\'!$1:$1</definedName>'
            for n, quoted in enumerate(name.replace("'", "''") for name in self._sheets)
        )
        return (
            f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>{sheets}</sheets>'
            f"<definedNames>{titles}</definedNames></workbook>"
        )

    def _workbook_relations(self) -> str:
        sheets = [("worksheet", f"worksheets/sheet{n}.xml") for n in range(1, len(self._sheets) + 1)]
        return _relations(*sheets, ("styles", "styles.xml"))

    def _styles(self) -> str:
        formats = "".join(
            f'<numFmt numFmtId="{_FIRST_FORMAT_ID + n}" formatCode={quoteattr(code)}/>'
            for n, code in enumerate(self._formats)
        )
        numbers = f'<numFmts count="{len(self._formats)}">{formats}</numFmts>' if formats else ""
        cells = "".join(
            f'<xf numFmtId="{_FIRST_FORMAT_ID + n}" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
            for n in range(len(self._formats))
        )
        font = '<name val="Calibri"/><family val="2"/>'
        return (
            f'<styleSheet xmlns="{_MAIN}">{numbers}'
            f'<fonts count="2"><font><sz val="11"/>{font}</font><font><b/><sz val="11"/>{font}</font></fonts>'
            '<fills count="2"><fill><patternFill patternType="none"/></fill>'
            '<fill><patternFill patternType="gray125"/></fill></fills>'
            '<borders count="2"><border><left/><right/><top/><bottom/><diagonal/></border>'
            '<border><left/><right/><top/><bottom style="thin"><color auto="1"/></bottom><diagonal/></border></borders>'
            '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
            f'<cellXfs count="{len(self._formats) + 2}"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
            '<xf numFmtId="0" fontId="1" fillId="0" borderId="1" xfId="0" applyFont="1" applyBorder="1" '
            f'applyAlignment="1"><alignment vertical="top" wrapText="1"/></xf>{cells}</cellXfs>'
            '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
        )

    def _properties(self) -> str:
        return (
            f'<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties" '
            'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" '
            'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
            f"<dc:title>{escape(self._title)}</dc:title>"
            # Some readers insist on a date; the same rows must give the same bytes.
            '<dcterms:created xsi:type="dcterms:W3CDTF">2000-01-01T00:00:00Z</dcterms:created></cp:coreProperties>'
        )

    def _content_types(self) -> str:
        parts = {f"/xl/worksheets/sheet{n}.xml": f"{_TYPES}.worksheet+xml" for n in range(1, len(self._sheets) + 1)}
        parts |= {
            "/xl/workbook.xml": f"{_TYPES}.sheet.main+xml",
            "/xl/styles.xml": f"{_TYPES}.styles+xml",
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
        """The rows so far, without the header."""

    def add(self, pieces: Iterable[bytes], rows: int) -> None:
        """Add rows as `row_expression` renders them, numbered from 2, in pieces of any size."""
        self._write(pieces)
        self.rows += rows


def _sheet_head(columns: Sequence[SheetColumn], *, selected: bool) -> str:
    widths = "".join(
        f'<col min="{n}" max="{n}" width="{column.width:g}" customWidth="1"/>' for n, column in enumerate(columns, 1)
    )
    header = "".join(
        f'<c r="{column_letters(at)}1" s="{_HEADER_STYLE}" t="inlineStr"><is><t xml:space="preserve">'
        f"{escape(_printable(column.header))}</t></is></c>"
        for at, column in enumerate(columns)
    )
    tab = ' tabSelected="1"' if selected else ""
    return (
        f'{_XML}<worksheet xmlns="{_MAIN}">{_FIT}<sheetViews><sheetView{tab} workbookViewId="0">'
        '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
        f'<sheetFormatPr defaultRowHeight="15"/><cols>{widths}</cols><sheetData><row r="1">{header}</row>\n'
    )


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _relations(*targets: tuple[str, str]) -> str:
    office, package = _RELATIONS, f"{_PACKAGE}/relationships"
    lines = "".join(
        f'<Relationship Id="rId{n}" Type="{package if "/" in kind else office}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(targets, 1)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{lines}</Relationships>'
