"""`python -m tests.interop.number_formats`: writes what LibreOffice shows for numbers and moments in many formats.

tests/reports/number_formats.json is made by it, and an ordinary test compares HTML's and PDF's number formats with it.
Needs soffice, which it installs on Debian. Values are doubles of few digits, so that both round the same decimal.
"""

import csv
import datetime as dt
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import xlsxwriter

from tests.support.debian import ToolMissing, tool

CORPUS = Path(__file__).parents[1] / "reports" / "number_formats.json"
NUMBERS = [
    "0", "1", "-1", "7", "-7", "12", "99.5", "-99.5", "0.5", "-0.5", "0.05", "-0.05", "0.004", "-0.004", "0.125",
    "1.005", "2.675", "-2.5", "123.456", "-123.456", "999.995", "1000", "-1000", "1234.5", "-1234.5", "12345",
    "99999.9", "1234567.891", "-1234567.891", "5551234567", "65171900000",
]  # fmt: skip
NUMBER_FORMATS = [
    "0", "0.0", "0.00", "0.000", "#,##0", "#,##0.0", "#,##0.00", "#", "#,###", "#.00", "0.##", "0.0##", "#.##", "0000",
    "0,000", "00000.00", "0%", "0.0%", "0.00%", "#,##0%", "0,", "0.0,", "#,##0,", '0.0,,"M"', "$#,##0.00", "¥#,##0",
    "[$€-407] #,##0.00", "[$-409]0", '#,##0 "km"', '"n = "0.0', r"0\%", '0.0"%"', "(000) 000-0000", "000-000",
    "0000-0000", "00-00-00", "#,##0.00;(#,##0.00)", "#,##0.00;[Red]-#,##0.00", '0;-0;"none"', "0.0;(0.0);-",
    '0;;"zero"', "+0;-0;0", "+0.0%;-0.0%;0.0%", "#,##0;-#,##0", "0.0_);(0.0)", "[Blue]0.00", '"a;b"0', "- 0", "0 -",
    "0.00 €", r'0\.00,,"億"', r'0\.0,"万"', '#,##0,"千"', '#,##0.0,,"百万"', "[$₹-4009]#,##0", "[$£-809]#,##0.00",
]  # fmt: skip
MOMENTS = [
    "2026-03-05 14:07:09",
    "2026-11-25 00:00:00",
    "1999-12-31 23:59:59",
    "2024-02-29 12:00:00",
    "2026-01-01 01:02:03",
    "2019-05-01 00:00:00",
    "2019-04-30 23:00:00",
    "1989-01-08 12:30:00",
    "1989-01-07 00:00:00",
    "1926-12-25 00:00:00",
    "1926-12-24 06:00:00",
    "1912-07-30 00:00:00",
    "1912-07-29 00:00:00",
]
DATE_FORMATS = [
    "yyyy-mm-dd",
    "dd/mm/yyyy",
    "d.m.yyyy",
    "dd/mm/yy",
    "mmmm yyyy",
    "mmm yy",
    "m/d/yyyy",
    "h:mm AM/PM",
    "hh:mm AM/PM",
    "dddd, d mmm",
    "ddd d",
    "hh:mm:ss",
    "mm:ss",
    "h:m:s",
    "yyyy-mm-dd hh:mm:ss",
    "yyyy年m月d日",
    'yyyy"%Y"',
    "YYYY-MM-DD",
    "[$-409]mmmm d, yyyy",
    "yyyymmdd",
    "h",
    "d",
    "yy",
    'h"h" mm"m"',
    "dd-mmm-yyyy",
    "mm/dd",
    "yyyy/mm/dd h:mm",
    '[$-411]ggge"年"m"月"d"日"',
    "[$-411]gge.m.d",
    "[$-411]ge.mm.dd",
    '[$-411]gggee"年"',
    "[$-411]e",
    "[$-411]dddd",
    "[$-411]aaa",
    "[$-411]aaaa",
    "[$-411]h:mm AM/PM",
    "[$-411]AM/PM h:mm",
    "[$-411]yyyy年m月d日(aaa)",
    "[$-407]mmmm",
    "[$-407]dddd, d. mmmm yyyy",
    "[$-40C]dddd d mmmm yyyy",
    "[$-415]d mmmm yyyy",
    "[$-41F]dddd d mmm",
    "[$-804]dddd",
    "[$-401]d mmmm yyyy",
    "[$-40D]mmmm d",
    "[$-419]d mmmm yyyy",
    '[$-C0A]d "de" mmmm',
    "[$-41E]d mmmm",
    "mmmmm",
]
DURATIONS = ["00:00:00", "26:03:04", "84:00:00", "14:07:09", "00:59:59", "838:59:59", "01:00:00", "100:00:01"]
DURATION_FORMATS = [
    "[h]:mm:ss", "[h]:mm", "[hh]:mm", "[mm]:ss", "[m]", "[ss]", "h:mm", "hh:mm:ss", '[h]"時間"mm"分"', "m:ss",
]  # fmt: skip


def main() -> int:
    """Write the file. Returns 1 without LibreOffice."""
    try:
        CORPUS.write_text(made(tool("soffice")))
    except ToolMissing as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def made(soffice: Path) -> str:
    """Return what belongs into the file: a line for each format, with what LibreOffice shows for each value."""
    with tempfile.TemporaryDirectory(prefix="todoke-formats-") as name:
        folder = Path(name)
        numbers = _shown(soffice, folder, "numbers", NUMBER_FORMATS, [float(v) for v in NUMBERS])
        moments = _shown(soffice, folder, "moments", DATE_FORMATS, [dt.datetime.fromisoformat(v) for v in MOMENTS])
        lasted = _shown(soffice, folder, "durations", DURATION_FORMATS, [days(value) for value in DURATIONS])
    lines = [
        json.dumps([kind, format_, dict(zip(values, texts, strict=True))], ensure_ascii=False)
        for kind, values, found in (
            ("number", NUMBERS, numbers),
            ("moment", MOMENTS, moments),
            ("duration", DURATIONS, lasted),
        )
        for format_, texts in found.items()
    ]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def days(duration: str) -> float:
    """Return hours, minutes and seconds as Excel's number of days."""
    hours, minutes, seconds = map(int, duration.split(":"))
    return (hours * 3600 + minutes * 60 + seconds) / 86_400


def _shown(
    soffice: Path, folder: Path, name: str, formats: Sequence[str], values: Sequence[float | dt.datetime]
) -> dict[str, list[str]]:
    """Format → the text of each value, in LibreOffice's words."""
    path = folder / f"{name}.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        sheet.set_column(0, len(formats), 60)  # or what is too wide is shown as ###
        styles = [book.add_format({"num_format": format_}) for format_ in formats]
        for (row, value), (column, style) in itertools.product(enumerate(values), enumerate(styles)):
            if isinstance(value, dt.datetime):
                sheet.write_datetime(row, column, value, style)
            else:
                sheet.write_number(row, column, value, style)
    # Comma, quote, UTF-8, from line 1, English, all text quoted, no detection, contents as shown, no formulas.
    filter_ = "csv:Text - txt - csv (StarCalc):44,34,76,1,,1033,true,false,true,false"
    command = [soffice, "--headless", f"-env:UserInstallation=file://{folder}/profile", "--convert-to", filter_,
               "--outdir", folder, path]  # fmt: skip
    subprocess.run(list(map(str, command)), check=True, capture_output=True, timeout=180)
    with path.with_suffix(".csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    return {format_: [row[at] for row in rows] for at, format_ in enumerate(formats)}


if __name__ == "__main__":
    sys.exit(main())
