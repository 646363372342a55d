"""A workbook of values that readers often misread, and the expected content of each cell."""

import re
from pathlib import Path

from shared.catalog.model import Format, ReportType
from shared.reports.interface import RenderRequest
from shared.reports.render import render_files

TEXTS = [
    "plain", "", " leading and trailing ", "tab\tand\nline", "=1+1", "@x", "-5", "007", "1e5", "TRUE", "2026-01-01",
    "<b>&amp;\"'", "日本語 🛫", "literal _x0041_ and _x005F_", "https://example.org", "x" * 32_767, "é" * 100,
]  # fmt: skip
"""What every reader must give back as it is."""
NUMBERS = [0, 1, -1, 999_999_999_999_999, 0.1, -2.5, 1234.56, 1e-7, 1.5e300]
MOMENTS = ["1900-03-01", "2024-02-29", "2026-11-24", "9999-12-31"]

QUERY = """
    SELECT n, t, v, d, d::timestamp + interval '12:34:56' AS at, v > 0 AS positive
      FROM (SELECT row_number() OVER () AS n, t FROM unnest({texts}::text[]) AS t) AS texts
      LEFT JOIN (SELECT row_number() OVER () AS n, v FROM unnest({numbers}::float8[]) AS v) AS numbers USING (n)
      LEFT JOIN (SELECT row_number() OVER () AS n, d FROM unnest({moments}::date[]) AS d) AS moments USING (n)
     ORDER BY n
"""


def make(dsn: str, folder: Path, *formats: Format, password: str | None = None) -> list[Path]:
    """Write it, and other formats of the same. Columns: n, t, v, d, at, positive; a header, one row a text."""
    from psycopg import sql

    query = sql.SQL(QUERY).format(  # type: ignore[arg-type, unused-ignore]
        texts=sql.Literal(TEXTS), numbers=sql.Literal([float(v) for v in NUMBERS]), moments=sql.Literal(MOMENTS)
    ).as_string(None)  # fmt: skip
    report = ReportType("interop", "Interop", "", "1", "default", query, formats)
    request = RenderRequest(report, {}, formats, dsn, folder, password=password)
    return [file.path for file in render_files(request, lambda _: None)]


def expected() -> list[list[object]]:
    """The rows: n, t, v, d, at, positive. Moments as ISO text; None for an empty cell."""
    rows: list[list[object]] = []
    for n, text in enumerate(TEXTS, 1):
        value = NUMBERS[n - 1] if n <= len(NUMBERS) else None
        day = MOMENTS[n - 1] if n <= len(MOMENTS) else None
        at = f"{day} 12:34:56" if day else None
        rows.append([n, text, value, day, at, None if value is None else value > 0])
    return rows


def same_text(read: str, written: str) -> bool:
    """Equal, where a reader that leaves ECMA's `_xHHHH_` escapes as they are (openpyxl 3.1 does) is forgiven."""
    return read in {written, re.sub(r"_(x[0-9A-Fa-f]{4}_)", r"_x005F_\1", written)}
