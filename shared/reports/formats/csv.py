"""Writes CSV: at the speed of COPY if nothing else is needed, otherwise from the extract, with the same bytes."""

import codecs
import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shared.catalog.model import CsvOptions
from shared.catalog.shape import UTC_NAME
from shared.reports import duck
from shared.reports.columns import FORMULA_STARTS, header_line
from shared.reports.errors import character_not_encodable
from shared.reports.extract import ExtractColumn
from shared.reports.formats.deflate import Deflate
from shared.reports.formats.rendering import Rendering

_GZIP_LEVEL, _GZIP_BITS = 1, 31
"""31 bits select gzip's own header, which then has no date."""
_FORMULA = "^[" + "".join(rf"\x{{{ord(c):x}}}" for c in FORMULA_STARTS) + "]"


def copy_csv(path: Path, options: CsvOptions, copy: Callable[[Callable[[bytearray], None]], int]) -> int:
    """Write RFC 4180 CSV straight from a source that can make it: NULL as nothing and '' as "". Returns the data rows.

    `copy` passes the lines in UTF-8 to its argument. They end in LF unless report.toml asks for CRLF: everything that
    reads CSV accepts LF, spreadsheets included, while CRLF costs time for each row and leaves a stray CR with
    line-based tools. A byte order mark, too, is written only if report.toml asks for it: CSV is for programs, XLSX for
    Excel. Text that a spreadsheet would take for a formula is preceded by an apostrophe; numbers and dates never are.
    """
    with _opened(path, options) as file:
        encode = _Encoder(options, file)
        encode.begin()
        rows = copy(encode)
        encode.end()
    return rows


def write_csv(rendering: Rendering) -> int:
    """Write the same file from the extract."""
    options = rendering.report.csv
    columns = rendering.extract.columns
    lines = _lines_from_cells(rendering) if rendering.extract.cells is not None else None
    names = [rendering.title(c) if options.header == "titles" else c.source.name for c in columns]
    header = b"" if options.header == "none" else header_line(names, options)
    cells = ", ".join(_cell(c, options, rendering.shape.zone, alone=len(columns) == 1) for c in columns)
    # This grows with the columns, unlike a chain of `||`.
    line = f"concat_ws({duck.literal(options.delimiter)}, {cells})"
    if options.line_end != "\n":  # duckDB ends every line with LF
        line = f"{line} || chr(13)"
    with _opened(rendering.path, options) as file:
        encode = _Encoder(options, file)
        encode.begin()
        encode(header)
        for piece in rendering.lines(line) if lines is None else lines:
            encode(piece)
        encode.end()
    return rendering.extract.rows


def _lines_from_cells(rendering: Rendering) -> Iterator[bytes]:
    """Yield the same lines from cells."""
    options, columns = rendering.report.csv, rendering.extract.columns
    risky = re.compile(f'["\r\n{re.escape(options.delimiter)}]')
    write = [_writer(c, options, risky, alone=len(columns) == 1) for c in columns]
    for row in rendering.extract.cells or ():
        line = options.delimiter.join(
            [of(text) if text is not None else "" for of, text in zip(write, row, strict=True)]
        )
        yield f"{line}{options.line_end}".encode()
    rendering.progress(rendering.extract.rows)


def _writer(column: ExtractColumn, options: CsvOptions, risky: re.Pattern[str], *, alone: bool) -> Callable[[str], str]:
    """Return a function that writes a cell's text: decimal mark, formula guard, quotes.

    `alone` says that it is the only cell of its row, of which COPY quotes `\\.` as well.
    """
    guarded = tuple(FORMULA_STARTS) if column.source.may_hold_a_formula and options.formula_guard else ()
    mark = options.decimal_mark

    def write(text: str) -> str:
        if mark != "." and column.source.is_number:
            text = text.replace(".", mark)
            if column.source.is_never_quoted:
                return text
        if guarded and text.startswith(guarded):
            text = f"'{text}"
        if text and not risky.search(text) and not (alone and text == "\\."):
            return text
        return '"' + text.replace('"', '""') + '"'

    return str if column.source.is_never_quoted and mark == "." else write


def _with_seconds_of_offset(instant: str, text: str) -> str:
    """Return SQL for an instant's text as PostgreSQL writes it.

    DuckDB omits the seconds of an old local time's offset: Tokyo's was +09:18:59 until 1887.
    """
    seconds = f"(abs(date_part('timezone', {instant})) % 60)"
    behind = f"CASE WHEN {seconds} <> 0 THEN ':' || lpad({seconds}::VARCHAR, 2, '0') ELSE '' END"
    return f"({text} || {behind})"


class _Sink(Protocol):
    def write(self, data: bytes | bytearray, /) -> object:
        """Take the next bytes of the file."""


@contextlib.contextmanager
def _opened(path: Path, options: CsvOptions) -> Iterator[_Sink]:
    """Open the file; what is written is compressed if requested. The same rows give the same bytes: no date."""
    with path.open("wb", buffering=1 << 20) as file:
        if not options.gzip:
            yield file
            return
        packing = Deflate(_GZIP_LEVEL, _GZIP_BITS)
        yield _Packed(packing, file)
        file.write(packing.flush())


@dataclass(frozen=True, slots=True)
class _Packed:
    """Compresses what is written into a file."""

    packing: Deflate
    file: _Sink

    def write(self, data: bytes | bytearray, /) -> object:
        """Take the next bytes."""
        return self.file.write(self.packing.compress(data))


class _Encoder:
    """Converts UTF-8 to the requested encoding."""

    def __init__(self, options: CsvOptions, file: _Sink) -> None:
        self._options = options
        self._file = file
        # Python's own utf-16 would begin every piece with a byte order mark.
        self._codec = "utf-16-le" if options.encoding == "utf-16" else options.encoding
        self._decode = None if options.encoding == "utf-8" else codecs.getincrementaldecoder("utf-8")()
        self._lines = 0

    def begin(self) -> None:
        """Write the byte order mark, if one is requested."""
        if self._codec == "utf-16-le":
            self._file.write(codecs.BOM_UTF16_LE)
        elif self._options.bom:
            self._file.write(codecs.BOM_UTF8)

    def __call__(self, piece: bytes | bytearray) -> None:
        if self._decode is None:
            self._file.write(piece)
            return
        text = self._decode.decode(piece)
        try:
            self._file.write(text.encode(self._codec, self._options.unencodable))
        except UnicodeEncodeError as error:
            line = self._lines + text.count("\n", 0, error.start) + 1
            raise character_not_encodable(text[error.start], self._options.encoding, line) from None
        self._lines += text.count("\n")

    def end(self) -> None:
        """Check that no character was cut off at the end. Raises UnicodeDecodeError."""
        if self._decode is not None:
            self._decode.decode(b"", final=True)


def _cell(column: ExtractColumn, options: CsvOptions, zone: str, *, alone: bool) -> str:
    """Return SQL for one cell, quoted where COPY quotes (PostgreSQL 18, copyto.c, CopyAttributeOutCSV, read
    2026-11-24).
    """
    text = column.as_source_text
    if column.stored_as == "TIMESTAMP WITH TIME ZONE" and zone != UTC_NAME:
        text = _with_seconds_of_offset(column.quoted, text)
    if column.source.is_number and options.decimal_mark != ".":
        text = f"replace({text}, '.', {duck.literal(options.decimal_mark)})"
    if column.source.is_never_quoted:
        return f"coalesce({text}, '')"
    if column.source.may_hold_a_formula and options.formula_guard:
        text = f"CASE WHEN regexp_matches({text}, '{_FORMULA}') THEN '''' || {text} ELSE {text} END"
    risky = duck.literal('["\r\n' + ("\\t" if options.delimiter == "\t" else options.delimiter) + "]")
    end_mark = f" OR ({text}) = '\\.'" if alone else ""
    quoted = f"""'"' || replace(({text}), '"', '""') || '"'"""
    return (
        f"CASE WHEN ({text}) IS NULL THEN '' WHEN ({text}) = '' OR regexp_matches(({text}), {risky}){end_mark} "
        f"THEN {quoted} ELSE ({text}) END"
    )
