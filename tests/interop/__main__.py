"""`make test-interop`: LibreOffice, SheetJS and ExcelJS read back every value of a workbook.

And LibreOffice computes totals anew as they are, still shows numbers as tests/reports/number_formats.json says, and
opens a workbook that has a password with it alone, as Poppler does a PDF.

Needs what `make test` does not: soffice, pdftotext and node with npm, which it installs on Debian, and npm's registry.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from shared.catalog.model import Format
from tests.interop import encrypted, number_formats, totals
from tests.interop.workbook import expected, make, same_text
from tests.support.debian import ToolMissing, tool
from tests.support.postgres import server

_PACKAGES = ("xlsx", "exceljs")
Rows = Sequence[Sequence[object]]


def main() -> int:
    """Try every reader. Returns 1 if one is missing or reads another value."""
    try:
        soffice, pdftotext, node, npm = (str(tool(name)) for name in ("soffice", "pdftotext", "node", "npm"))
    except ToolMissing as error:
        print(error, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="todoke-interop-") as name, server.server() as base:
        folder = Path(name)
        with server.database(base, template=None) as dsn:
            [path] = make(dsn, folder, Format.XLSX)
            (folder / "sealed").mkdir()
            (folder / "totals").mkdir()
            with_totals = totals.make(dsn, folder / "totals")
            book, document = make(dsn, folder / "sealed", Format.XLSX, Format.PDF, password=encrypted.PASSWORD)
        subprocess.run([npm, "install", "--silent", "--prefix", str(folder), *_PACKAGES], check=True)
        readers: dict[str, Callable[[], Rows]] = {
            "LibreOffice": lambda: _libreoffice(soffice, path, folder),
            "SheetJS": lambda: _node(node, "sheetjs", path, folder),
            "ExcelJS": lambda: _node(node, "exceljs", path, folder),
            "LibreOffice with a password": lambda: (
                encrypted.rows(Path(soffice), book, folder, encrypted.PASSWORD) or []
            )[1:],
        }
        wrong = sum(_compare(reader, read()) for reader, read in readers.items()) + _compare_formats(soffice)
        wrong += totals.compare(with_totals, lambda one: _libreoffice(soffice, one, folder))
        wrong += _try_passwords(Path(soffice), Path(pdftotext), book, document, folder)
    return 1 if wrong else 0


def _libreoffice(soffice: str, path: Path, folder: Path) -> Rows:
    filter_ = f"csv:Text - txt - csv (StarCalc):{encrypted.CSV_FILTER}"
    command = [soffice, "--headless", f"-env:UserInstallation=file://{folder}/profile", "--convert-to", filter_,
               "--outdir", str(folder), str(path)]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=180)
    with (folder / path.with_suffix(".csv").name).open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))[1:]


def _node(node: str, library: str, path: Path, folder: Path) -> Rows:
    script = Path(__file__).parent / "read.mjs"
    environment = {**os.environ, "NODE_MODULES_AT": str(folder), "TZ": "UTC"}
    done = subprocess.run(
        [node, str(script), library, str(path)], check=True, capture_output=True, text=True, env=environment
    )
    rows: Rows = json.loads(done.stdout)[1:]
    return rows


def _compare(reader: str, rows: Rows) -> int:
    wrong = [] if len(rows) == len(expected()) else [f"{len(rows)} rows instead of {len(expected())}"]
    for row, (n, text, value, day, at, positive) in zip(rows, expected(), strict=False):
        checks = {
            "n": _number(row[0]) == n,
            "t": same_text(str(row[1] or ""), str(text)),
            "v": _number(row[2]) == value,
            "d": _day(row[3]) == (day and str(day)),
            "at": _moment(row[4]) == at,
            "positive": _flag(row[5]) == positive,
        }
        wrong += [f"row {n}, column {name}: {row!r}"[:200] for name, good in checks.items() if not good]
    print(f"{reader}: {'every value' if not wrong else 'WRONG'}")
    for line in wrong:
        print(f"  {line}")
    return len(wrong)


def _compare_formats(soffice: str) -> int:
    same = number_formats.made(Path(soffice)) == number_formats.CORPUS.read_text()
    print("number formats: " + ("the same" if same else "WRONG: run python -m tests.interop.number_formats, and look"))
    return 0 if same else 1


def _try_passwords(soffice: Path, pdftotext: Path, book: Path, document: Path, folder: Path) -> int:
    read = encrypted.text(pdftotext, document, encrypted.PASSWORD) or ""
    wrong = [f"Poppler does not read {text!r} with its password" for text in ("plain", "日本語") if text not in read]
    wrong += [f"opened: {who}" for who in encrypted.opened_unasked(soffice, pdftotext, book, document, folder)]
    print("passwords: " + ("open what they should, and nothing else does" if not wrong else "WRONG"))
    for line in wrong:
        print(f"  {line}")
    return len(wrong)


def _number(read: object) -> float | None:
    return None if read in {None, ""} else float(str(read).replace(",", ""))


def _day(read: object) -> str | None:
    return str(read)[:10] if read else None


def _moment(read: object) -> str | None:
    return str(read)[:19].replace("T", " ") if read else None


def _flag(read: object) -> bool | None:
    return {"true": True, "false": False}.get(str(read).lower())


if __name__ == "__main__":
    sys.exit(main())
