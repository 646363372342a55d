"""Data on stdout: a table for a person, tab-separated lines for a pipe, JSON exactly as the API has it, or ids."""

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
from todoke.cli.terminal import is_terminal, one_line

Raw = Mapping[str, Any]


class Form(StrEnum):
    """How data is written."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    ID = "id"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    title: str
    value: Callable[[Raw], object]


def field(name: str) -> Callable[[Raw], object]:
    """Reads a field by its path, such as `result.seconds`."""

    def read(raw: Raw) -> object:
        value: Any = raw
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    return read


class Writer:
    """Writes data in the form that was asked for."""

    def __init__(self, form: Form | None, fields: str | None) -> None:
        self.form = form or Form.TABLE
        self._fields = [name.strip() for name in fields.split(",") if name.strip()] if fields else []

    def one(self, raw: Any, columns: Sequence[Column], *, id_field: str) -> None:
        """Write one object."""
        if self.form is Form.JSON:
            self._line(_json(self._chosen(raw), indent=2))
        else:
            self.each([raw], columns, id_field=id_field)

    def each(self, items: Iterable[Raw], columns: Sequence[Column], *, id_field: str) -> None:
        """Write objects as they come; a table on a terminal when all are there."""
        if self.form is Form.TABLE and is_terminal(sys.stdout):
            self._table(list(items), columns)
            return
        for raw in items:
            if self.form is Form.ID:
                self._line(one_line(field(id_field)(raw)))
            elif self.form is Form.TABLE:
                self._line("\t".join(_cell(column.value(raw)) for column in self._columns([raw], columns)))
            else:
                self._line(_json(self._chosen(raw)))
            sys.stdout.flush()

    def whole(self, raw: Any, items: Iterable[Raw], columns: Sequence[Column], *, id_field: str) -> None:
        """Write a list: in JSON the whole body, else its items."""
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
                guess = f": did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
                raise WrongCall(f"--fields {top}: there is no such field{guess}")
        return [Column(name.upper(), field(name)) for name in self._fields]

    def _table(self, items: Sequence[Raw], usual: Sequence[Column]) -> None:
        columns = self._columns(items, usual)
        rows = [[column.title for column in columns], *([_cell(c.value(raw)) for c in columns] for raw in items)]
        if len(rows) == 1:
            return
        widths = [max(len(row[at]) for row in rows) for at in range(len(columns))]
        room = shutil.get_terminal_size().columns
        for row in rows:
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            self._line(line if len(line) <= room else line[: room - 1] + "…")

    def _line(self, text: str) -> None:
        sys.stdout.write(text + "\n")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping) or (isinstance(value, Sequence) and not isinstance(value, str)):
        return one_line(_json(value))
    return one_line(value)


def _json(value: object, indent: int | None = None) -> str:
    """As the API has it; what a terminal would obey is escaped, which means the same."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return (
        re.sub(r"[\x7f-\x9f\u2028-\u202e\u2066-\u2069]", lambda found: f"\\u{ord(found[0]):04x}", text)
        .encode("utf-8", "replace")
        .decode()
    )
