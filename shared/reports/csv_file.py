"""CSV at the speed of COPY: the server writes the lines, this module passes them on."""

from collections.abc import Callable
from pathlib import Path

from psycopg import sql

from shared.catalog.model import Limits, ReportType
from shared.reports.errors import row_limit_exceeded
from shared.reports.source import Extract, SourceColumn

# A spreadsheet would run a text cell that begins with one of these (OWASP, "CSV Injection", read 2026-11-23).
_FORMULA_STARTS = "=+-@\t\r\n"
_PROGRESS_ROWS = 10_000


def write_csv(extract: Extract, report: ReportType, limits: Limits, path: Path, progress: Callable[[int], None]) -> int:
    """Write RFC 4180 CSV in UTF-8: one header line of column names, NULL as nothing and '' as "".

    Lines end in LF, as PostgreSQL writes them: everything that reads CSV takes it, spreadsheets included, while CRLF
    would cost a pass over every byte and leave a stray CR with line-based tools. No byte order mark: programs are
    the reader here, and XLSX is the file for Excel.

    Text that a spreadsheet would take for a formula gets an apostrophe in front; numbers and dates never do.
    Returns the data rows: PostgreSQL sends "always one per row" CopyData message (PostgreSQL 18, "Message Flow", COPY
    Operations, read 2026-11-23), so counting messages counts rows, whatever line breaks the cells contain.
    """
    del report  # titles and formats are for people; a CSV is for programs
    rows = -1  # the header
    with path.open("wb", buffering=1 << 20) as file:
        for line in extract.csv([_guarded(n, column) for n, column in enumerate(extract.columns, 1)]):
            file.write(line)
            rows += 1
            if rows > limits.max_rows:
                raise row_limit_exceeded(limits)
            if rows % _PROGRESS_ROWS == 0:
                progress(rows)
    return rows


def _guarded(number: int, column: SourceColumn) -> sql.Composable:
    cell, name = sql.Identifier(f"c{number}"), sql.Identifier(column.name)
    if not column.may_hold_a_formula:
        return sql.SQL("{} AS {}").format(cell, name)
    # concat() writes a value as COPY does; a cast would strip the padding of character(n).
    text = cell if column.is_plain_text else sql.SQL("concat({})").format(cell)
    return sql.SQL("CASE WHEN left({}, 1) = ANY ({}) THEN '''' || {} WHEN {} IS NOT NULL THEN {} END AS {}").format(
        text, sql.Literal(list(_FORMULA_STARTS)), text, cell, text, name
    )
