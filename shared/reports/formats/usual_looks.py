"""Chooses default number formats for times: without seconds, or hours, that are always zero."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import duckdb

from shared.catalog.model import Column, ReportType
from shared.reports.extract import Extract, ExtractColumn

_TO_THE_DAY, _TO_THE_MINUTE, _TO_THE_SECOND = "yyyy-mm-dd", "yyyy-mm-dd hh:mm", "yyyy-mm-dd hh:mm:ss"
_MIDNIGHT, _FULL_MINUTE = "00:00:00", ":00"
_CLOCK = slice(11, 19)
"""Where hours, minutes and seconds are in a usual moment's text."""


def with_usual_looks(report: ReportType, extract: Extract, connection: duckdb.DuckDBPyConnection | None) -> ReportType:
    """Return the report type with a format for each time that has none.

    `connection` reads the extract, in the reader's time zone; None if the extract has cells.
    """
    times = [c for c in extract.columns if c.source.type_name.startswith("timestamp") and not _format(report, c)]
    if not times:
        return report
    found = _precisions_in_python(extract, times) if connection is None else _precisions(extract, times, connection)
    columns = dict(report.columns)
    for name, look in zip([c.source.name for c in times], found, strict=True):
        columns[name] = replace(columns.get(name) or Column(name, name), number_format=look)
    return replace(report, columns=columns)


def _format(report: ReportType, column: ExtractColumn) -> str:
    found: Mapping[str, Column] = report.columns
    return found[column.source.name].number_format if column.source.name in found else ""


def _precisions(
    extract: Extract, times: Sequence[ExtractColumn], connection: duckdb.DuckDBPyConnection
) -> Sequence[str]:
    """Return the precision of each column: what is zero in all its values is left out, seconds or the time of day."""
    asked = []
    for column in times:
        moment = column.as_usual_moment
        asked += [f"bool_or(date_trunc('{part}', {moment}) <> {moment})" for part in ("day", "minute")]
    [row] = connection.execute(f"SELECT {', '.join(asked)} FROM {extract.table}").fetchall()
    return [_look(*row[at : at + 2]) for at in range(0, len(row), 2)]


def _precisions_in_python(extract: Extract, times: Sequence[ExtractColumn]) -> Sequence[str]:
    found = []
    for column in times:
        texts = [text for [text] in extract.cells_of([column]) if text]
        clocks = {text[_CLOCK] for text in texts}
        fractions = any("." in text for text in texts)
        found.append(_look(
            fractions or bool(clocks - {_MIDNIGHT}),
            fractions or any(not clock.endswith(_FULL_MINUTE) for clock in clocks),
        ))  # fmt: skip
    return found


def _look(has_times: bool | None, has_seconds: bool | None) -> str:
    return _TO_THE_SECOND if has_seconds else _TO_THE_MINUTE if has_times else _TO_THE_DAY
