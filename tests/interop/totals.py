"""Totals of a workbook, recomputed by LibreOffice: the same as the values stored with their formulas."""

import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from shared.catalog.grouping import Grouping
from shared.catalog.model import Column, Format, ReportType
from shared.reports.interface import RenderRequest
from shared.reports.render import render_files

_QUERY = """
    SELECT g, amount, long, typed.share, typed.day, typed.lasted, long::text AS name, long AS mean,
           amount > 1 AS positive
      FROM (VALUES ('a', 1.25, 1, 0.1, '2026-01-31', '9 hours'), ('a', -7, 2, 0.2, '1999-12-31', '30 hours'),
                   ('b', 1, 12345678901234567890, 1e-9, '1899-12-31', '-1 hour'),
                   ('b', 2, -12345678901234567890, 1e15, '2026-01-01', '1 hour'),
                   ('c', NULL, NULL, NULL, NULL, NULL), ('d', 999999999999999, 1, 0, '2026-01-01', '0'))
        AS r(g, amount, long, share, day, lasted),
           LATERAL (SELECT r.day::date AS day, r.lasted::interval AS lasted, r.share::float8 AS share) AS typed
"""
_TOTALS = {
    "amount": "sum", "long": "sum", "share": "mean", "day": "min", "lasted": "max", "name": "min", "mean": "mean",
    "positive": "max",
}  # fmt: skip


def make(dsn: str, folder: Path) -> tuple[Path, Path]:
    """Write the workbook, and the same without the values beside its formulas."""
    columns = {name: Column(name, name) for name in ("g", *_TOTALS)}
    report = ReportType("totals", "Totals", "", "1", "default", _QUERY, (Format.XLSX,), columns=columns)
    report = replace(report, grouping=Grouping(("g",), _TOTALS))
    [file] = render_files(RenderRequest(report, {}, (Format.XLSX,), dsn, folder), lambda _: None)
    bare = folder / "bare.xlsx"
    with zipfile.ZipFile(file.path) as book, zipfile.ZipFile(bare, "w", zipfile.ZIP_DEFLATED) as without:
        for part in book.infolist():
            without.writestr(part, re.sub(rb"</f><v>[^<]*</v>", b"</f>", book.read(part)))
    return file.path, bare


def compare(paths: Sequence[Path], read: Callable[[Path], Sequence[Sequence[object]]]) -> int:
    """Print what differs. Returns how many lines do."""
    known, computed = map(read, paths)
    wrong = [(row, other) for row, other in zip(known, computed, strict=True) if row != other]
    totals = [row for row in known if "otal" in str(row[0])]
    if len(totals) != 5:
        wrong.append((totals, []))
    print("totals: " + ("computed anew, they are the same" if not wrong else "WRONG"))
    for one in wrong:
        print(f"  {one}")
    return len(wrong)
