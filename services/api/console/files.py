"""Lists as files: written while they are read, with a bound that the last line mentions."""

import csv
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeAlias, TypeVar

from fastapi.responses import StreamingResponse

T = TypeVar("T")
Read: TypeAlias = Callable[[int, str | None], Awaitable[tuple[Sequence[T], str | None]]]
"""Reads a page of that many entries after the page token; returns them with the next token, None after the last."""
FORMATS = ("csv", "jsonl")
MOST = 5_000
"""Entries of one file."""
FORMULA_STARTS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
"""What a spreadsheet takes for a formula. Reports guard against the same, but the API does not import their modules."""
PAGE = 100
_MOST_PAGES = 100
"""The most pages of one file. Each examines a bounded number of rows, for some milliseconds, so a filter with few
matches ends there."""
_MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
_ENDS = f"This file ends after {MOST} entries, or where the look for older ones ended: narrow the filter."


class Written(Generic[T]):
    """How the entries of a list are written: as the cells of a table, or as JSON."""

    def __init__(
        self, columns: Sequence[str], cells: Callable[[T], Sequence[str]], as_json: Callable[[T], str]
    ) -> None:
        self._columns, self._cells, self._as_json = columns, cells, as_json

    def head(self, form: str) -> str:
        """Return the beginning of the file.

        Excel reads a CSV file as UTF-8 only if it begins with a byte order mark.
        """
        return f"\ufeff{_csv([self._columns])}" if form == "csv" else ""

    def lines(self, form: str, entries: Sequence[T]) -> str:
        """Return the entries, one per line.

        A cell that a spreadsheet would run as a formula is preceded by an apostrophe.
        """
        if form == "csv":
            return _csv([[_guarded(cell) for cell in self._cells(entry)] for entry in entries])
        return "".join(f"{self._as_json(entry)}\n" for entry in entries)

    def rest(self, form: str) -> str:
        """Return the last line of a file that does not contain the whole list."""
        return f"# {_ENDS}\r\n" if form == "csv" else f"{json.dumps({'note': _ENDS})}\n"


async def download(name: str, form: str, written: Written[T], read: Read[T]) -> StreamingResponse:
    """Return the newest MOST entries as a file.

    The first page is read at once, so that a refusal is a page of the console and not the middle of a file.
    """
    pages = _pages(read)
    first = await anext(pages)

    async def body() -> AsyncIterator[bytes]:
        last = first
        yield (written.head(form) + written.lines(form, last[0])).encode()
        async for last in pages:
            yield written.lines(form, last[0]).encode()
        if last[1] is not None:
            yield written.rest(form).encode()

    headers = {
        "Content-Disposition": f'attachment; filename="{name}.{form}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(body(), headers=headers, media_type=_MEDIA_TYPES[form])


async def _pages(read: Read[T]) -> AsyncIterator[tuple[Sequence[T], str | None]]:
    token, entries = None, 0
    for _ in range(_MOST_PAGES):
        found, token = await read(min(PAGE, MOST - entries), token)
        yield found, token
        entries += len(found)
        if token is None or entries >= MOST:
            return


def as_json(entry: Mapping[str, object]) -> str:
    """Return a cell or a line as JSON."""
    return json.dumps(entry, ensure_ascii=False, default=str)


def _guarded(cell: str) -> str:
    return f"'{cell}" if cell[:1] and cell[0] in FORMULA_STARTS else cell


def _csv(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()
