"""One measured case in its own process: `python -m tests.benchmarks.report_case CASE ROWS DSN` prints JSON.

Processor time and memory are this process's; the database server has its own.
"""

import json
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg

from shared.catalog.model import Chart, Format, PdfOptions, ReportType
from shared.reports.interface import RenderRequest
from shared.reports.process import tree
from shared.reports.render import render_files
from tests.benchmarks.report_table import query

CHART = '{"mark": "bar", "encoding": {"x": {"field": "city"}, "y": {"field": "n", "type": "quantitative"}}}'


def copy(rows: int, dsn: str, folder: Path) -> int:
    """A plain COPY by psycopg's own loop, into a file, and no more."""
    path = folder / "plain.csv"
    plain = f"COPY ({query(rows)}) TO STDOUT (FORMAT csv, HEADER)"
    with path.open("wb", buffering=1 << 20) as file, psycopg.connect(dsn) as conn, conn.cursor().copy(plain) as lines:
        for line in lines:
            file.write(line)
    return path.stat().st_size


def rendered(format_: Format) -> Callable[[int, str, Path], int]:
    """The engine's own way, as the worker's child does it."""

    def run(rows: int, dsn: str, folder: Path) -> int:
        report = ReportType("orders", "Orders", "", "1", "default", query(rows), (format_,))
        [file] = render_files(RenderRequest(report, {}, (format_,), dsn, folder), lambda _: None)
        return file.size_bytes

    return run


def xlsxwriter_file(rows: int, dsn: str, folder: Path) -> int:
    """XlsxWriter in constant memory, from a server-side cursor, typed cells."""
    import xlsxwriter

    path = folder / "x.xlsx"
    options = {"constant_memory": True, "default_date_format": "yyyy-mm-dd", "remove_timezone": True}
    workbook = xlsxwriter.Workbook(str(path), options)
    sheet = workbook.add_worksheet()
    with psycopg.connect(dsn) as conn, conn.cursor(name="rows") as cursor:
        cursor.itersize = 2_000
        cursor.execute(query(rows))
        for number, row in enumerate(cursor):
            for at, value in enumerate(row):
                if value is not None:
                    sheet.write(number, at, value)
    workbook.close()
    return path.stat().st_size


def document(rows: int, dsn: str, folder: Path) -> int:
    """A Japanese document with a chart and a long table."""
    (folder / "c.vl.json").write_text(CHART)
    chart = Chart("c", "都市", "SELECT city, count(*) AS n FROM report GROUP BY ALL ORDER BY ALL", "c.vl.json")
    report = ReportType(
        "orders", "注文一覧", "すべての注文", "1", "default", japanese(rows), (Format.PDF,),
        pdf=PdfOptions(charts=(chart,)), folder=folder, language="ja",
    )  # fmt: skip
    work = folder / "work"
    work.mkdir()
    [file] = render_files(RenderRequest(report, {}, (Format.PDF,), dsn, work), lambda _: None)
    return file.size_bytes


def japanese(rows: int) -> str:
    """Six columns, of which three are in Japanese."""
    return f"""SELECT id, day, amount, city, '顧客' || quantity AS customer, '備考：' || reference AS note
                 FROM bench_orders WHERE id <= {rows} ORDER BY id"""


CASES: Mapping[str, Callable[[int, str, Path], int]] = {
    "copy": copy,
    "csv": rendered(Format.CSV),
    "parquet": rendered(Format.PARQUET),
    "jsonl": rendered(Format.JSONL),
    "html": rendered(Format.HTML),
    "xlsx": rendered(Format.XLSX),
    "xlsxwriter": xlsxwriter_file,
    "pdf": document,
}


def _watch(peak_mb: list[int]) -> None:
    """Look at the memory fifty times a second: the process's own, without mapped libraries, as the limit counts it."""
    while True:
        peak_mb[0] = max(peak_mb[0], tree.use_of(os.getpid(), enough_mb=0).memory_mb)
        threading.Event().wait(0.02)


def main() -> None:
    """Run one case."""
    case, rows, dsn = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    peak_mb = [0]
    threading.Thread(target=_watch, args=(peak_mb,), daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="todoke-bench-") as folder:
        began = time.perf_counter()
        size = CASES[case](rows, dsn, Path(folder))
        wall = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({
        "case": case, "rows": rows, "wall_s": wall, "cpu_s": used.ru_utime + used.ru_stime,
        "peak_mb": peak_mb[0], "file_mb": size / 1e6,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
