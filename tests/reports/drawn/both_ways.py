"""Renders a request as of few rows, in Python, and as of many, by DuckDB alone; and checks what can be read back."""

import datetime as dt
import hashlib
import json
import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import openpyxl
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


_SUBTOTAL = re.compile(r"=SUBTOTAL\((\d+),([A-Z]+)(\d+):[A-Z]+(\d+)\)")


def _check_totals(path: Path) -> None:
    """Compute the totals of a workbook as Excel would, and compare them with the values beside their formulas."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a number that a report shows as a date need not be one
        formulas, values = openpyxl.load_workbook(path), openpyxl.load_workbook(path, data_only=True)
    for sheet in formulas.worksheets:
        known = values[sheet.title]
        totals = {cell.coordinate: found for row in sheet.iter_rows() for cell in row
                  if isinstance(cell.value, str) and (found := _SUBTOTAL.fullmatch(cell.value))}  # fmt: skip
        for place, found in totals.items():
            letters, first, last = found[2], int(found[3]), int(found[4])
            places = [f"{letters}{n}" for n in range(first, last + 1)]
            added = [known[one].value for one in places if one not in totals]
            if any(isinstance(value, str | dt.date | dt.time | dt.timedelta) for value in added):
                continue  # texts, which SUBTOTAL leaves out, and numbers in the looks of dates, which openpyxl rounds
            computed, cached = _subtotal(int(found[1]), added), known[place].value
            if cached is not None:
                assert computed is not None, (sheet.title, place)
                assert math.isclose(computed, cached, rel_tol=1e-9, abs_tol=1e-9), (
                    sheet.title,
                    place,
                    computed,
                    cached,
                )


def _subtotal(code: int, values: Sequence[Any]) -> float | None:
    """What SUBTOTAL computes of cells: it leaves out all that are no numbers, which booleans are not."""
    numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if code == 3:
        return len([v for v in values if v is not None])
    if code == 9:
        return math.fsum(numbers)
    if not numbers:
        return None if code == 1 else 0
    return {1: math.fsum(numbers) / len(numbers), 4: max(numbers), 5: min(numbers)}[code]
