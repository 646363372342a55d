"""The limits of a workbook (support.microsoft.com, "Excel specifications and limits", read 2026-11-23)."""

import itertools
import re

SHEET_ROWS = 1_048_576
SHEET_COLUMNS = 16_384
CELL_CHARACTERS = 32_767
"""In UTF-16 units, so that an emoji counts as two."""
SHEET_NAME_CHARACTERS = 31
EXACT_DIGITS = 15
_ESCAPE = re.compile("_(x[0-9A-Fa-f]{4}_)")
_CONTROLS = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


def characters(text: str) -> int:
    """Return the length of `text` as Excel counts it."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def escape_itself(text: str) -> str:
    """Return the text, with anything that looks like the escape of a character escaped itself.

    ECMA-376 part 1, 22.9.2.19 (ST_Xstring), read 2026-11-24.
    """
    return _ESCAPE.sub(r"_x005F_\1", text)


def one_line(text: str) -> str:
    """Return the text with a space for each control character, line end, and whatever XML cannot carry."""
    return _CONTROLS.sub(" ", text)


def sheet_name(title: str, number: int = 1) -> str:
    """Return a name that Excel accepts: 31 characters, none of []:*?/\\, no apostrophe at the ends, not History."""
    clean = re.sub(r"[\[\]:*?/\\ ]+", " ", one_line(title)).strip(" '")
    if clean.lower() in {"", "history"}:
        clean = "Report"
    suffix = "" if number == 1 else f" {number}"
    while characters(clean) > SHEET_NAME_CHARACTERS - len(suffix):
        clean = clean[:-1]
    return clean.strip(" '") + suffix


def new_sheet_name(title: str, taken: set[str]) -> str:
    """Return a name as `sheet_name` does that differs from all others, ignoring case, and add it to `taken`."""
    name = next(name for number in itertools.count(1) if (name := sheet_name(title, number)).casefold() not in taken)
    taken.add(name.casefold())
    return name


def column_letters(index: int) -> str:
    """Return the letters of a column: `A` for 0, `AA` for 26."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
