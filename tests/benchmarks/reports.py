"""`make bench-reports`: what each format costs, beside a plain COPY, XlsxWriter and WeasyPrint, in one run.

Every case is a process of its own, and the cases of one comparison alternate, so that a slow minute of the machine
meets all of them; the best of each counts.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg

from tests.benchmarks import report_table, weasyprint_case
from tests.benchmarks.report_case import japanese
from tests.support import postgres

Result = Mapping[str, Any]
PDF_ROWS = 10_000
CEILINGS = {
    "csv": "≤ 64 MB, ≤ 1.5 × COPY", "parquet": "≤ 256 MB, ≤ 2 × COPY", "xlsx": "≤ 256 MB, XlsxWriter ≥ 8 × the CPU",
    "pdf": "≤ 300 MB, WeasyPrint ≥ 10 × the CPU",
}  # fmt: skip


def main() -> int:
    """Measure and print a table in Markdown; `--out` writes it to a file too."""
    options = argparse.ArgumentParser(prog="make bench-reports", description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--weasyprint", type=Path, help="a Python that has WeasyPrint")
    options.add_argument("--out", type=Path)
    given = options.parse_args()
    with postgres.server() as base, postgres.database(base, template=None) as dsn:
        report_table.create(dsn, 2 * given.rows)
        results = _measure(dsn, given.rows, given.rounds)
        if given.weasyprint:
            results.append(_weasyprint(given.weasyprint, dsn))
    table = _table(results, given.rows)
    print(table)
    if given.out:
        given.out.write_text(table)
    return 0


def _measure(dsn: str, rows: int, rounds: int) -> list[Result]:
    plan = [
        ("copy", rows),
        ("csv", rows),
        ("parquet", rows),
        ("jsonl", rows),
        ("html", rows),
        ("xlsx", rows),
        ("pdf", PDF_ROWS),
    ]
    once = [("xlsxwriter", rows), *((case, 2 * rows) for case in ("copy", "csv", "parquet", "jsonl", "html", "xlsx"))]
    best: dict[tuple[str, int], Result] = {}
    for turn in [*plan * rounds, *once]:
        found = _run(turn[0], turn[1], dsn)
        print(
            f"  {turn[0]:<11} {turn[1]:>9,} rows {found['wall_s']:6.1f} s {found['peak_mb']:6.0f} MB", file=sys.stderr
        )
        if turn not in best or found["wall_s"] < best[turn]["wall_s"]:
            best[turn] = found
    return list(best.values())


def _run(case: str, rows: int, dsn: str) -> Result:
    command = [sys.executable, "-m", "tests.benchmarks.report_case", case, str(rows), dsn]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: Result = json.loads(done.stdout)
    return found


def _weasyprint(python: Path, dsn: str) -> Result:
    with psycopg.connect(dsn) as conn:
        rows = [[str(cell) for cell in row] for row in conn.execute(japanese(PDF_ROWS))]
    with tempfile.NamedTemporaryFile(suffix=".pdf") as out:
        done = subprocess.run(
            [str(python), str(Path(weasyprint_case.__file__)), out.name],
            input=json.dumps(rows), check=True, capture_output=True, text=True,
        )  # fmt: skip
    found: Result = json.loads(done.stdout)
    return found


def _table(results: Sequence[Result], rows: int) -> str:
    by = {(r["case"], r["rows"]): r for r in results}
    lines = [
        f"{rows:,} and {2 * rows:,} rows × 12 columns; {os.cpu_count()} cores; `make bench-reports`.",
        "",
        "| case | rows | wall, × COPY | CPU s | peak MB | file MB | aim |",
        "|---|--:|--:|--:|--:|--:|---|",
    ]
    for (case, count), r in by.items():
        plain = by.get(("copy", count))
        times = f"{r['wall_s'] / plain['wall_s']:.1f}" if plain and "wall_s" in r else ""
        pages = f" ({r['pages']} pages)" if "pages" in r else ""
        lines.append(
            f"| {case} | {count:,} | {times} | {r['cpu_s']:.1f} | {r['peak_mb']:.0f} | {r['file_mb']:.0f}{pages} "
            f"| {CEILINGS.get(case, '')} |"
        )
    xlsx, peer = by.get(("xlsx", rows)), by.get(("xlsxwriter", rows))
    if xlsx and peer:
        lines += [
            "",
            f"XlsxWriter takes {peer['cpu_s'] / xlsx['cpu_s']:.1f} × the processor time of the workbook above.",
        ]
    pdf, weasy = by.get(("pdf", PDF_ROWS)), by.get(("weasyprint", PDF_ROWS))
    if pdf and weasy:
        lines += ["", f"WeasyPrint takes {weasy['cpu_s'] / pdf['cpu_s']:.1f} × that of the document above."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
