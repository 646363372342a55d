"""Renders a request as for few rows, in Python, and as for many, in DuckDB alone; and checks what can be read back."""

import hashlib
import json
import math
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import pytest

from shared.failures import FailureCode
from shared.reports import extract
from shared.reports.explain import explain
from shared.reports.interface import RenderedFile
from shared.reports.render import render_files
from shared.reports.sources.files import FilesResult
from shared.reports.sources.postgres import PostgresResult
from shared.reports.sources.sqlite import SqliteResult
from tests.reports.drawn.requests import Drawn

_MANY = -1
"""The most rows that are few, where none are."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended."""

    digests: Mapping[str, str]
    """Of each file that it left, by name; empty if it failed."""
    code: str = ""
    message: str = ""
    files: Sequence[RenderedFile] = ()


def outcome(drawn: Drawn, dsn: str, scratch: Path, *, many: bool) -> Outcome:
    """Render the request, with the few-rows way or, if `many`, without it."""
    folder = Path(mkdtemp(dir=scratch))
    with pytest.MonkeyPatch.context() as patch:
        for result in (PostgresResult, FilesResult, SqliteResult):
            # Documents name the minute at which the source was read.
            patch.setattr(result, "snapshot", lambda _: {"id": None, "takenAt": "2026-11-29T10:00:00Z"})
        if many:
            patch.setattr(extract, "FEW_ROWS", _MANY)
        try:
            files = render_files(drawn.request(dsn, folder), lambda _: None)
        except Exception as error:
            told = explain(error, drawn.report.limits)
            if told.code == FailureCode.RENDERER_FAILED:
                raise
            return Outcome({}, told.code, str(told))
    beside = [path for path in folder.glob(".*") if path.is_file()]  # the first rows, figures, a picture of a page
    digests = {file.name: file.sha256 for file in files}
    return Outcome(digests | {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in beside}, files=files)


def check(file: RenderedFile) -> None:
    """Read back what other programs would, as far as renderers do not do so themselves."""
    if file.format == "jsonl":
        for line in file.path.read_text(encoding="utf-8").split("\n")[:-1]:
            json.loads(line, parse_constant=_refused)
    if file.format == "xlsx":
        _check_totals(file.path)


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


_SHEET = re.compile(r"xl/worksheets/sheet\d+\.xml")
_CELL = re.compile(
    r'<c r="([A-Z]+)(\d+)"([^>]*?)(?:/>|>(?:<f>(.*?)</f>)?(?:<v>(.*?)</v>|<is>.*?</is>)?</c>)', re.DOTALL
)
_SUBTOTAL = re.compile(r"SUBTOTAL\((\d+),([A-Z]+)(\d+):[A-Z]+(\d+)\)")
_COUNT = 3


def _check_totals(path: Path) -> None:
    """Compute the totals of a workbook as Excel would, and compare them with the values beside their formulas."""
    with zipfile.ZipFile(path) as book:
        sheets = {name: book.read(name).decode() for name in book.namelist() if _SHEET.fullmatch(name)}
    for name, sheet in sheets.items():
        values: dict[tuple[str, int], str | bool | float] = {}
        totals: dict[tuple[str, int], re.Match[str]] = {}
        for letters, number, style, formula, value in _CELL.findall(sheet):
            place = letters, int(number)
            if found := _SUBTOTAL.fullmatch(formula):
                totals[place] = found
            if "inlineStr" in style:
                values[place] = ""
            elif value:
                values[place] = bool(int(value)) if 't="b"' in style else float(value)
        for place, found in totals.items():
            code, letters, places = int(found[1]), found[2], range(int(found[3]), int(found[4]) + 1)
            added = [values[letters, n] for n in places if (letters, n) in values and (letters, n) not in totals]
            computed, cached = _subtotal(code, added), values[place]
            assert isinstance(cached, float), (name, place)
            slack = 1e-9 * max([1.0, *(abs(value) for value in added if isinstance(value, float))])
            assert math.isclose(computed, cached, rel_tol=1e-9, abs_tol=slack), (name, place, computed, cached)


def _subtotal(code: int, values: Sequence[str | bool | float]) -> float:
    """What SUBTOTAL computes of cells: it leaves out texts and booleans, and so would be wrong of them."""
    if code == _COUNT:
        return len(values)
    numbers = [value for value in values if isinstance(value, float)]
    assert numbers
    assert len(numbers) == len(values)
    return {1: math.fsum(numbers) / len(numbers), 4: max(numbers), 5: min(numbers), 9: math.fsum(numbers)}[code]
