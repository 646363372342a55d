"""How a CSV file is written: the settings of report.toml, and what a request may choose instead."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from shared.catalog.model import CsvOptions
from shared.catalog.values import Refused, show
from shared.suggest import did_you_mean, did_you_mean_one_of

ENCODINGS: Mapping[str, str] = {
    "utf-8": "utf-8", "utf-16": "utf-16", "cp932": "windows-31j", "windows-1252": "windows-1252",
    "windows-1250": "windows-1250", "windows-1251": "windows-1251", "gb18030": "gb18030", "big5": "big5",
    "euc-kr": "euc-kr",
}  # fmt: skip
"""The encodings, as report.toml and requests name them → their names in media types (IANA, read 2026-11-29)."""
UNICODE = ("utf-8", "utf-16")
DELIMITERS = (",", ";", "\t", "|")
DECIMAL_MARKS = (".", ",")
HEADERS = ("names", "titles", "none")
LINE_ENDS: Mapping[str, str] = {"lf": "\n", "crlf": "\r\n"}
UNENCODABLE: Mapping[str, str] = {"fail": "strict", "replace": "replace"}

REQUEST: Mapping[str, tuple[object, ...]] = {
    "delimiter": DELIMITERS, "decimalMark": DECIMAL_MARKS, "header": HEADERS, "lineEnd": tuple(LINE_ENDS),
    "bom": (True, False), "encoding": tuple(ENCODINGS), "unencodable": tuple(UNENCODABLE),
    "formulaGuard": (True, False), "gzip": (True, False),
}  # fmt: skip
"""The fields of `csv` in a request, each with the values that it may have."""

_READ: Mapping[str, tuple[str, Callable[[Any], object]]] = {
    "delimiter": ("delimiter", str), "decimalMark": ("decimal_mark", str), "header": ("header", str),
    "lineEnd": ("line_end", lambda name: LINE_ENDS[name]), "bom": ("bom", bool), "encoding": ("encoding", str),
    "unencodable": ("unencodable", lambda name: UNENCODABLE[name]), "formulaGuard": ("formula_guard", bool),
    "gzip": ("gzip", bool),
}  # fmt: skip


def dialect(usual: CsvOptions, asked: Mapping[str, Any] | None) -> CsvOptions:
    """Return the report type's options, overridden by `asked`, which must have no `dialect_problem`."""
    if not asked:
        return usual
    found: dict[str, Any] = {_READ[name][0]: _READ[name][1](value) for name, value in asked.items()}
    if "bom" not in found and found.get("encoding", usual.encoding) != usual.encoding:
        found["bom"] = False  # it applied to the other encoding
    return replace(usual, **found)


def field_problem(name: str, value: object) -> Refused | None:
    """Say what is wrong with one field of `csv`; None if it is valid."""
    if name not in REQUEST:
        return Refused("unknown_field", f"is not a field of csv{did_you_mean(name[:60], REQUEST)}")
    allowed = REQUEST[name]
    if any(value is one if isinstance(one, bool) else value == one for one in allowed):
        return None
    listed = ", ".join("true" if one is True else "false" if one is False else f'"{one}"' for one in allowed)
    listed = listed.replace("\t", "\\t")
    near = did_you_mean_one_of(value[:60], map(str, allowed)) if isinstance(value, str) else ""
    return Refused("choice", f"must be one of {listed}, not {show(value)}{near}")


def dialect_problem(options: CsvOptions) -> tuple[str, str] | None:
    """Say which field does not go with the others, and why; None if all do."""
    if options.decimal_mark == options.delimiter:
        return "decimalMark", f'is the delimiter, too: add "delimiter": "{";" if options.delimiter == "," else ","}"'
    if options.bom and options.encoding not in UNICODE:
        return "bom", f"works with utf-8 and utf-16 only, and encoding is {options.encoding}: leave one of them out"
    return None


def media_type(options: CsvOptions) -> str:
    """Return the media type of the file."""
    return "application/gzip" if options.gzip else f"text/csv; charset={ENCODINGS[options.encoding]}"
