"""CSV at the speed of COPY: the server writes the lines, this module passes them on."""

from collections.abc import Callable
from pathlib import Path

from psycopg import sql

from shared.catalog.model import Limits, ReportType
from shared.reports.errors import row_limit_exceeded
from shared.reports.source import Extract, SourceColumn

# A spreadsheet would run a text cell that begins with one of these (OWASP, "CSV Injection", read 2026-11-23).
_FORMULA_STARTS = "=+-@\t\r\n"


def write_csv(extract: Extract, report: ReportType, limits: Limits, path: Path, progress: Callable[[int], None]) -> int:
    """Write RFC 4180 CSV in UTF-8: one header line of column names, NULL as nothing and '' as "", LF line ends.

    Text that a spreadsheet would take for a formula gets an apostrophe in front; numbers and dates never do.
    Returns the data rows. PostgreSQL sends each line as one message, so counting messages counts rows,
    whatever line breaks the cells contain.
    """
    del report  # titles and formats are for people; a CSV is for programs
    rows = -1  # the header
    with path.open("wb") as file:
        for line in extract.csv([_guarded(column) for column in extract.columns]):
            file.write(line)
            rows += 1
            if rows > limits.max_rows:
                raise row_limit_exceeded(limits)
            if rows % 10_000 == 0:
                progress(rows)
    return rows


def _guarded(column: SourceColumn) -> sql.Composable:
    name = sql.Identifier(column.name)
    if not column.is_text:
        return name
    return sql.SQL("CASE WHEN strpos({}, left({}, 1)) > 0 AND {} <> '' THEN '''' || {} ELSE {} END AS {}").format(
        sql.Literal(_FORMULA_STARTS), name, name, name, name, name
    )
