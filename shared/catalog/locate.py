"""Where in a TOML file a setting stands. tomllib keeps no line numbers for what it has read."""

import re

_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_MULTILINE = re.compile(r'"""|\'\'\'')


def line_of(text: str, *path: str) -> int:
    """The line, from 1, where `path` is set: `line_of(text, "parameters", "from", "min")`.

    Where the setting itself is absent (or inside an inline table), the line of the innermost table that is there;
    failing that, 1. It reads lines, not TOML: good enough to point with, never used to decide.
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
