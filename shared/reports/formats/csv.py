"""Writes CSV: at the speed of COPY if nothing else was asked for, else from the extract, with the same bytes."""

import codecs
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from shared.catalog.model import CsvOptions
from shared.reports import duck
from shared.reports.columns import FORMULA_STARTS, header_line
from shared.reports.errors import character_not_encodable
from shared.reports.extract import ExtractColumn
from shared.reports.formats.rendering import Rendering

_FORMULA = "^[" + "".join(rf"\x{{{ord(c):x}}}" for c in FORMULA_STARTS) + "]"


def copy_csv(path: Path, options: CsvOptions, copy: Callable[[Callable[[bytearray], None]], int]) -> int:
    """Write RFC 4180 CSV straight from a source that can make it: NULL as nothing and '' as "". Returns the data rows.

    `copy` gives its argument the lines in UTF-8. They end in LF unless report.toml asks for CRLF: everything that
    reads CSV takes LF, spreadsheets included, while CRLF costs time for each row and leaves a stray CR with line-based
    tools. A byte order mark, too, is written only if report.toml asks for it: CSV is for programs, XLSX for Excel.

    Text that a spreadsheet would take for a formula gets an apostrophe in front; numbers and dates never do.
    """
    with path.open("wb", buffering=1 << 20) as file:
        encode = _Encoder(options, file)
        encode.begin()
        rows = copy(encode)
        encode.end()
    return rows


def write_csv(rendering: Rendering) -> int:
    """Write the same file from the extract."""
    options = rendering.report.csv
    columns = rendering.extract.columns
    header = header_line([c.source.name for c in columns], options)
    cells = ", ".join(_cell(c, options, alone=len(columns) == 1) for c in columns)
    # Time grows with the columns, as it would not in a chain of `||`.
    line = f"concat_ws({duck.literal(options.delimiter)}, {cells})"
    with rendering.path.open("wb", buffering=1 << 20) as file:
        encode = _Encoder(options, file)
        encode.begin()
        encode(header)
        # Every line gets its LF from DuckDB.
        for piece in rendering.lines(line if options.line_end == "\n" else f"{line} || chr(13)"):
            encode(piece)
        encode.end()
    return rendering.extract.rows


class _Sink(Protocol):
    def write(self, data: bytes | bytearray, /) -> object:
        """Take the next bytes of the file."""


class _Encoder:
    """Converts UTF-8 to the encoding that report.toml asks for."""

    def __init__(self, options: CsvOptions, file: _Sink) -> None:
        self._options = options
        self._file = file
        self._decode = None if options.encoding == "utf-8" else codecs.getincrementaldecoder("utf-8")()
        self._lines = 0

    def begin(self) -> None:
        """Write the byte order mark, if report.toml asks for one."""
        if self._options.bom:
            self._file.write(codecs.BOM_UTF8)

    def __call__(self, piece: bytes | bytearray) -> None:
        if self._decode is None:
            self._file.write(piece)
            return
        text = self._decode.decode(piece)
        try:
            self._file.write(text.encode(self._options.encoding, self._options.unencodable))
        except UnicodeEncodeError as error:
            line = self._lines + text.count("\n", 0, error.start) + 1
            raise character_not_encodable(text[error.start], self._options.encoding, line) from None
        self._lines += text.count("\n")

    def end(self) -> None:
        """Check that no character was cut off at the end. Raises UnicodeDecodeError."""
        if self._decode is not None:
            self._decode.decode(b"", final=True)


def _cell(column: ExtractColumn, options: CsvOptions, *, alone: bool) -> str:
    """SQL for one cell, quoted where COPY quotes (PostgreSQL 18, copyto.c, CopyAttributeOutCSV, read 2026-11-24)."""
    text = column.as_source_text
    if column.source.is_never_quoted:
        return f"coalesce({text}, '')"
    if column.source.may_hold_a_formula:
        text = f"CASE WHEN regexp_matches({text}, '{_FORMULA}') THEN '''' || {text} ELSE {text} END"
    risky = duck.literal('["\r\n' + ("\\t" if options.delimiter == "\t" else options.delimiter) + "]")
    end_mark = f" OR ({text}) = '\\.'" if alone else ""
    quoted = f"""'"' || replace(({text}), '"', '""') || '"'"""
    return (
        f"CASE WHEN ({text}) IS NULL THEN '' WHEN ({text}) = '' OR regexp_matches(({text}), {risky}){end_mark} "
        f"THEN {quoted} ELSE ({text}) END"
    )
