"""`make bench-reports`: the cost of each format, beside a plain COPY, XlsxWriter and WeasyPrint, in one run.

Every case is a process of its own. Wall time is the median over the rounds, each run divided by the plain COPY right
before it; processor time and memory are those of the quickest run.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg

from tests.benchmarks import report_table, small, small_table, weasyprint_case
from tests.benchmarks.parts import Figure
from tests.benchmarks.report_case import japanese
from tests.support.postgres import server

Result = Mapping[str, Any]
PDF_ROWS = 13_000
"""Some 200 pages."""
CEILINGS = {
    "csv": "≤ 64 MB, ≤ 1.5 × COPY", "parquet": "≤ 256 MB, ≤ 2 × COPY", "xlsx": "≤ 256 MB, XlsxWriter ≥ 8 × the CPU",
    "pdf": "≤ 300 MB, WeasyPrint ≥ 10 × the CPU",
}  # fmt: skip


def main() -> int:
    """Measure and print a table in Markdown; `--out` writes it to a file too."""
    options = argparse.ArgumentParser(prog="make bench-reports", description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--weasyprint", type=Path, help="a Python that has WeasyPrint")
    options.add_argument("--out", type=Path)
    given = options.parse_args()
    with server.server() as base, server.database(base, template=None) as dsn:
        small_table.create(dsn)
        few = list(small.figures(dsn, 3))
        report_table.create(dsn, 2 * given.rows)
        results = _measure(dsn, given.rows, given.rounds)
        if given.weasyprint:
            results.append(_weasyprint(given.weasyprint, dsn))
    table = _table(results, given.rows) + _small(few)
    print(table)
    if given.out:
        given.out.write_text(table)
    return 0


def _measure(dsn: str, rows: int, rounds: int) -> list[Result]:
    """The best run of each case, with the median of its times as multiples of the plain COPY before it."""
    best: dict[tuple[str, int], Result] = {}
    ratios: dict[tuple[str, int], list[float]] = {}
    plain: dict[int, float] = {}
    for case, count in _plan(rows, rounds):
        found = _run(case, count, dsn)
        print(f"  {case:<11} {count:>9,} rows {found['wall_s']:6.1f} s {found['peak_mb']:6.0f} MB", file=sys.stderr)
        if case == "copy":
            plain[count] = found["wall_s"]
        if count in plain:
            ratios.setdefault((case, count), []).append(found["wall_s"] / plain[count])
        if (case, count) not in best or found["wall_s"] < best[case, count]["wall_s"]:
            best[case, count] = found
    return [{**found, "ratio": statistics.median(ratios.get(key, [0]))} for key, found in best.items()]


def _plan(rows: int, rounds: int) -> Iterator[tuple[str, int]]:
    """What has a ceiling in multiples of COPY comes right behind one, so that a slow minute meets both."""
    sizes = (rows, 2 * rows)
    for _ in range(rounds):
        for count in sizes:
            for case in ("csv", "parquet"):
                yield "copy", count
                yield case, count
    for case in ("jsonl", "html", "xlsx"):
        for count in sizes:
            yield "copy", count
            yield case, count
    yield from [("pdf", PDF_ROWS)] * 2
    yield "xlsxwriter", rows


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
    for (case, count), r in sorted(by.items(), key=lambda item: item[0][1]):
        times = f"{r['ratio']:.2f}" if r.get("ratio") else ""
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


def _small(figures: Sequence[Figure]) -> str:
    lines = ["", f"{small.TITLE}:", "", "| what | figure | aim |", "|---|--:|---|"]
    return "\n".join([*lines, *(f"| {one.what} | {one.text} | {one.aim} |" for one in figures)]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
