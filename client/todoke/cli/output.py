"""Data on stdout: a table for a person, tab-separated lines for a pipe, the API's JSON unchanged, or ids."""

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from todoke.cli.exits import WrongCall
from todoke.cli.fitting import Fit, fit, lines, width
from todoke.cli.terminal import is_terminal, one_line, say

Raw = Mapping[str, Any]


class Form(StrEnum):
    """The forms of output."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    ID = "id"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    title: str
    value: Callable[[Raw], object]
    right: bool = False
    """True for numbers, which are aligned to the right."""
    person: Callable[[Raw], object] | None = None
    """What a person sees instead of the value."""
    prose: bool = False
    """True for sentences, which a narrow terminal wraps; other columns are shown whole or not at all."""

    def seen(self, raw: Raw) -> object:
        """Return what a terminal shows."""
        return (self.person or self.value)(raw)


def field(name: str) -> Callable[[Raw], object]:
    """Return a function that reads a field by its path, such as `result.seconds`."""

    def read(raw: Raw) -> object:
        value: Any = raw
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    return read


class Writer:
    """Writes data in the requested form."""

    def __init__(self, form: Form | None, fields: str | None, say: Callable[[str], None] = say) -> None:
        self._say = say
        self.form = form or Form.TABLE
        self._fields = [name.strip() for name in fields.split(",") if name.strip()] if fields else []

    def one(self, raw: Any, columns: Sequence[Column], *, id_field: str) -> None:
        """Write one object."""
        if self.form is Form.JSON:
            self._line(_json(self._chosen(raw), indent=2))
        elif self.form is Form.TABLE and is_terminal(sys.stdout):
            self._one(raw, self._columns([raw], columns))
        else:
            self.each([raw], columns, id_field=id_field)

    def each(self, items: Iterable[Raw], columns: Sequence[Column], *, id_field: str) -> None:
        """Write objects as they arrive; a table on a terminal waits for all of them."""
        if self.form is Form.TABLE and is_terminal(sys.stdout):
            self._table(list(items), columns)
        else:
            self._lines(items, columns, id_field)

    def _lines(self, items: Iterable[Raw], columns: Sequence[Column], id_field: str) -> None:
        for raw in items:
            if self.form is Form.ID:
                self._line(one_line(field(id_field)(raw)))
            elif self.form is Form.TABLE:
                self._line("\t".join(_cell(column.value(raw)) for column in self._columns([raw], columns)))
            else:
                self._line(_json(self._chosen(raw)))
            sys.stdout.flush()

    def follow(self, items: Iterable[Raw], columns: Sequence[Column], *, id_field: str) -> None:
        """Write objects from an endless stream: a table on a terminal grows, and so may its columns."""
        if self.form is not Form.TABLE or not is_terminal(sys.stdout):
            self._lines(items, columns, id_field)
            return
        kept: Fit | None = None
        for raw in items:
            chosen = self._columns([raw], columns)
            row = [_cell(column.seen(raw)) for column in chosen]
            if kept is None:
                titles = [column.title for column in chosen]
                kept = fit([titles, [cell or "-" for cell in row]], [column.prose for column in chosen], _room())
                self._tell_left_out(kept, chosen)
                self._row(titles, kept, chosen)
            for at in kept.widths:
                kept.widths[at] = max(kept.widths[at], width(row[at]))
            self._row(row, kept, chosen)
            sys.stdout.flush()

    def whole(self, raw: Any, items: Iterable[Raw], columns: Sequence[Column], *, id_field: str) -> None:
        """Write a list: its whole body as JSON, else its items."""
        if self.form is Form.JSON:
            self._line(_json([self._chosen(one) for one in items] if self._fields else raw, indent=2))
        else:
            self.each(items, columns, id_field=id_field)

    def _chosen(self, raw: Raw) -> Any:
        if not self._fields:
            return raw
        self._columns([raw], ())
        return {name: field(name)(raw) for name in self._fields}

    def _columns(self, items: Sequence[Raw], usual: Sequence[Column]) -> Sequence[Column]:
        if not self._fields:
            return usual
        for name in self._fields:
            top = name.partition(".")[0]
            if items and not any(top in raw for raw in items):
                known = sorted(items[0])
                near = get_close_matches(top, known, 1)
                guess = f"; did you mean {near[0]}?" if near else f"; choose among {', '.join(known)}"
                raise WrongCall(f"--fields {top}: no such field{guess}")
        return [Column(name.upper(), field(name)) for name in self._fields]

    def _table(self, items: Sequence[Raw], usual: Sequence[Column]) -> None:
        columns = self._columns(items, usual)
        rows = [[column.title for column in columns], *([_cell(c.seen(raw)) for c in columns] for raw in items)]
        if len(rows) == 1:
            return
        kept = fit(rows, [column.prose for column in columns], _room())
        for row in rows:
            self._row(row, kept, columns)
        self._tell_left_out(kept, columns)

    def _one(self, raw: Raw, columns: Sequence[Column]) -> None:
        """Write one object: as a row, or as a line per value if a row has no room."""
        titles, cells = [column.title for column in columns], [_cell(column.seen(raw)) for column in columns]
        if not fit([titles, cells], [False] * len(columns), _room()).left_out:
            self._table([raw], columns)
            return
        wide = max(map(len, titles))
        for title, cell in zip(titles, cells, strict=True):
            if cell:
                self._line(f"{title:<{wide}}  {cell}")

    def _tell_left_out(self, kept: Fit, columns: Sequence[Column]) -> None:
        if kept.left_out:
            names = ", ".join(columns[at].title for at in kept.left_out[:4])
            more = f" and {len(kept.left_out) - 4} more" if len(kept.left_out) > 4 else ""
            self._say(f"hidden for lack of room: {names}{more}. Widen the terminal, use --fields, or use -o json")

    def _row(self, row: Sequence[str], kept: Fit, columns: Sequence[Column]) -> None:
        for line in lines(row, kept, [one.prose for one in columns], [one.right for one in columns]):
            self._line(line)

    def _line(self, text: str) -> None:
        sys.stdout.write(text + "\n")


def _room() -> int:
    return shutil.get_terminal_size().columns


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping) or (isinstance(value, Sequence) and not isinstance(value, str)):
        return one_line(_json(value))
    return one_line(value)


def _json(value: object, indent: int | None = None) -> str:
    """The API's JSON, with terminal control characters escaped, which means the same."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return (
        re.sub(r"[\x7f-\x9f\u2028-\u202e\u2066-\u2069]", lambda found: f"\\u{ord(found[0]):04x}", text)
        .encode("utf-8", "replace")
        .decode()
    )
