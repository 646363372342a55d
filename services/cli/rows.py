"""Prints rows: a table for a person on a terminal, lines with tabs for a pipe, one JSON object per line if asked."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

_WIDEST = 60
"""Characters of a cell on a terminal. Elsewhere nothing is cut."""

Row = Mapping[str, object]


def print_rows(columns: Sequence[str], rows: Iterable[Row], output: str) -> None:
    """Print the rows on stdout. `columns` names the columns of the text, in order; JSON has all of them."""
    if output == "json":
        for row in rows:
            print(json.dumps({name: _plain(value) for name, value in row.items()}, ensure_ascii=False), flush=True)
        return
    lines = [[_cell(row[name]) for name in columns] for row in rows]
    if not sys.stdout.isatty():
        for line in lines:
            print(*line, sep="\t")
        return
    table = [[name.upper() for name in columns], *([_short(cell) for cell in line] for line in lines)]
    widths = [max(len(line[at]) for line in table) for at in range(len(columns))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _cell(value: object) -> str:
    """Return one line without control characters: text from outside must not control the terminal."""
    if value is None:
        return ""
    text = value.isoformat(timespec="seconds") if isinstance(value, datetime) else str(value)
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _short(cell: str) -> str:
    return cell if len(cell) <= _WIDEST else cell[: _WIDEST - 1] + "…"
