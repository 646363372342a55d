"""Gives typed access to one table of a TOML file, and collects every problem with its line.

tomllib keeps no line numbers, so `line_of` finds them again.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path

from shared.suggest import did_you_mean

_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
"""Characters that neither XML nor a page can contain. TOML itself allows them only as escapes."""
_MULTILINE = re.compile(r'"""|\'\'\'')


@dataclass(frozen=True, slots=True)
class TomlFile:
    """A file that is being read, and its problems so far."""

    path: Path
    text: str
    problems: list[str] = field(default_factory=list)
    """One `file:line: what is wrong: remedy` per problem."""

    def wrong(self, at: Sequence[str], message: str) -> None:
        """Note that the setting `at` is wrong."""
        name = f"{'.'.join(at)}: " if at else ""
        self.problems.append(f"{self.path}:{line_of(self.text, *at)}: {name}{message}")


class Table:
    """Returns the values of one table by type. A value of the wrong type is noted as a problem and reads as absent."""

    def __init__(self, file: TomlFile, values: Mapping[str, object], at: tuple[str, ...] = ()) -> None:
        self._file = file
        self._values = values
        self._at = at

    @property
    def file_text(self) -> str:
        """The text of the whole file."""
        return self._file.text

    def wrong(self, key: str, message: str) -> None:
        """Note a problem with `key`, or with the table itself if `key` is empty."""
        self._file.wrong((*self._at, key) if key else self._at, message)

    def only(self, known: Sequence[str]) -> None:
        """Note every key that is not one of `known`: a misspelt setting must not be ignored in silence."""
        for key in self._values:
            if key not in known:
                self.wrong(key, f"is not a setting{did_you_mean(key, known)}")

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def json(self, key: str) -> object:
        """Return the value with TOML's dates as ISO strings, as JSON has them; None if absent."""
        return _iso(self._values.get(key))

    def text(self, key: str, default: str = "") -> str:
        """Return a string."""
        value = self._values.get(key, default)
        if isinstance(value, str):
            if bad := _CONTROL.search(value):
                self.wrong(key, f"has the control character U+{ord(bad[0]):04X}: remove it")
                return default
            return value
        self.wrong(key, f'must be a string: write {key} = "…"')
        return default

    def flag(self, key: str) -> bool:
        """Return a boolean, false if absent."""
        value = self._values.get(key, False)
        if isinstance(value, bool):
            return value
        self.wrong(key, "must be true or false, without quotes")
        return False

    def number(self, key: str, least: float, most: float) -> float | None:
        """Return a finite number from `least` to `most`, or None if absent or wrong."""
        value = self._values.get(key)
        if value is None:
            return None
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            number = float(value)  # a NaN lies in no range
            if least <= number <= most:
                return number
        self.wrong(key, f"must be a number from {least:g} to {most:g}")
        return None

    def whole(self, key: str, least: int, most: int) -> int | None:
        """Return an integer from `least` to `most`, or None if absent or wrong."""
        value = self._values.get(key)
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self.wrong(key, f"must be a whole number from {least} to {most}")
        return None

    def strings(self, key: str) -> tuple[str, ...] | None:
        """Return a list of different strings, at least one, or None if absent or wrong."""
        value = self._values.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
            self.wrong(key, f'must be a list of strings: write {key} = ["…", "…"]')
            return None
        if len(set(value)) < len(value):
            self.wrong(key, "names something twice: remove one")
            return None
        return tuple(value)

    def is_table(self, key: str) -> bool:
        """True if the value is a sub-table."""
        return isinstance(self._values.get(key), dict)

    def table(self, key: str) -> "Table":
        """Return the sub-table `key`, empty if absent."""
        value = self._values.get(key, {})
        if not isinstance(value, dict):
            self.wrong(key, f"must be a table: write [{'.'.join((*self._at, key))}]")
            value = {}
        return Table(self._file, value, (*self._at, key))

    def items(self) -> Iterator[tuple[str, object]]:
        """Yield every setting with its value as TOML has it."""
        yield from self._values.items()

    def tables(self) -> Iterator[tuple[str, "Table"]]:
        """Yield every sub-table with its name."""
        for key in self._values:
            yield key, self.table(key)


def _iso(value: object) -> object:
    if isinstance(value, list):
        return [_iso(one) for one in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return value


def line_of(text: str, *path: str) -> int:
    """Return the line, from 1, where `path` is set: `line_of(text, "parameters", "from", "min")`.

    If the setting itself is absent (or inside an inline table), it is the line of the innermost table that is there;
    failing that, 1. This reads lines, not TOML: good enough to point with, never used to decide.
    """
    best_line, best_depth = 1, 0
    table: tuple[str, ...] = ()
    inside: str | None = None
    for number, line in enumerate(text.split("\n"), start=1):
        outside_before = inside is None
        for quote in _MULTILINE.findall(line):
            inside = quote if inside is None else None if inside == quote else inside
        if not outside_before:
            continue
        here = _set_on(line, table)
        if here is None:
            continue
        if _HEADER.match(line):
            table = here
        if path[: len(here)] == here and len(here) > best_depth:
            best_line, best_depth = number, len(here)
    return best_line


def _set_on(line: str, table: tuple[str, ...]) -> tuple[str, ...] | None:
    if header := _HEADER.match(line):
        return _parts(header[1])
    if key := _KEY.match(line):
        return table + _parts(key[1])
    return None


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))
