"""Writes JSON Lines: one object per row, whose keys are the columns' names."""

import json
import re
from collections.abc import Callable
from decimal import Decimal

from shared.reports import duck
from shared.reports.extract import NUMBER, USUAL_MOMENTS, ExtractColumn
from shared.reports.formats.rendering import Rendering


def write_jsonl(rendering: Rendering) -> int:
    """Write UTF-8 with LF. Decimals are numbers with all their digits, moments RFC 3339, JSON is itself, NULL null.

    A value for which JSON has no number (NaN, Infinity) is the text that PostgreSQL writes, whatever the other rows
    have; so is a moment that only PostgreSQL knows (infinity, a year before Christ).
    """
    columns = rendering.extract.columns
    if rendering.extract.cells is not None:
        return _write_here(rendering)
    if any(_is_mixed(c) or _json_of(c) for c in columns):
        pairs = [f"concat(to_json({duck.literal(c.name)})::VARCHAR, ':', {_text(c)})" for c in columns]
        line = f"concat('{{', concat_ws(',', {', '.join(pairs)}), '}}')"
    else:
        fields = [f"{duck.literal(c.name)}, {_value(c)}" for c in columns]
        line = f"json_object({', '.join(fields)})::VARCHAR"
    with rendering.path.open("wb", buffering=1 << 20) as file:
        for piece in rendering.lines(line):
            file.write(piece)
    return rendering.extract.rows


def _write_here(rendering: Rendering) -> int:
    """Write the same from cells."""
    rows = rendering.extract.cells or ()
    columns = [(f"{_string(c.name)}:", _writer(c)) for c in rendering.extract.columns]
    lines = [
        ",".join([
            key + ("null" if text is None else write(text)) for (key, write), text in zip(columns, row, strict=True)
        ])
        for row in rows
    ]  # fmt: skip
    rendering.path.write_text("".join(f"{{{line}}}\n" for line in lines), encoding="utf-8", newline="\n")
    rendering.progress(len(lines))
    return len(lines)


def _string(text: str) -> str:
    written = json.dumps(text, ensure_ascii=False)
    return _ESCAPE.sub(_as_duckdb_has_it, written) if "\\u" in written else written


_ESCAPE = re.compile(r"\\(u[0-9a-f]{4}|.)")


def _as_duckdb_has_it(escape: re.Match[str]) -> str:
    return f"\\u{escape[1][1:].upper()}" if escape[1][0] == "u" else escape[0]


def _writer(column: ExtractColumn) -> Callable[[str], str]:
    """A function that writes a cell's text as JSON."""
    source = column.source
    if source.is_integer:
        return str
    if source.is_float:
        return lambda text: repr(float(text))
    if source.type_name == "bool":
        return lambda text: "true" if text == "t" else "false"
    if source.type_name == "numeric":
        precision, scale = (
            column.source.declared if column.stored_as != "VARCHAR" else column.decimal or source.declared
        )
        if scale and precision <= _BY_WAY_OF_DOUBLE:
            return _short
        return lambda text: _padded(text, scale)
    if source.type_name == "timestamp":
        return lambda text: f'"{text.replace(" ", "T")}"'
    if source.type_name == "timestamptz":
        return lambda text: f'"{text.replace(" ", "T").replace("+00", "Z")}"'
    return _string


_BY_WAY_OF_DOUBLE = 15
"""Digits of a decimal up to which DuckDB 2.0 writes it as a double: `3.7` for 3.70, and nothing is lost."""
_SMALLEST_PLAIN = 1e-6


def _short(number: str) -> str:
    value = float(number)
    text = repr(value)
    if "e" not in text:
        return text
    return f"{Decimal(text):f}" if abs(value) >= _SMALLEST_PLAIN else text.replace("e-0", "e-")


def _padded(number: str, scale: int) -> str:
    """The decimal number with as many places as the column has."""
    whole, _, places = number.partition(".")
    return f"{whole}.{places:0<{scale}}" if scale else whole


def _is_mixed(column: ExtractColumn) -> bool:
    """True for a text column whose cells are numbers in some rows and words such as NaN in others, or too long ones."""
    return column.source.type_name == "numeric" and column.asked_as == "DOUBLE"


def _json_of(column: ExtractColumn) -> str:
    """SQL for the JSON text of a column that has some; empty for one that has none."""
    return duck.identifier(column.json_name) if column.json_name else column.quoted if column.source.is_json else ""


def _text(column: ExtractColumn) -> str:
    """SQL for the value as JSON text. Only so has a number of more than 38 digits all of them."""
    if value := _json_of(column):  # of type `json`, it has the line ends of whoever typed it in
        json = (
            f"CASE WHEN json_valid({value}) THEN translate({value}, chr(10) || chr(13), '  ') ELSE to_json({value}) END"
        )
        return f"coalesce({json}, 'null')"  # a source from a package may call a text JSON that is none
    if not _is_mixed(column):
        return _alone(_value(column))
    value = column.quoted
    number = _alone(f"TRY_CAST({value} AS {_decimal(column)})") if column.decimal else value
    return f"CASE WHEN regexp_full_match({value}, '{NUMBER}') THEN {number} ELSE {_alone(value)} END"


def _alone(value: str) -> str:
    return f"trim(json_array({value})::VARCHAR, '[]')"


def _decimal(column: ExtractColumn) -> str:
    """The DuckDB type that a decimal number is written from; without places it is whole, not `5.0`."""
    if column.stored_as != "VARCHAR":
        return "HUGEINT" if column.stored_as.endswith(" 0)") else column.stored_as
    precision, scale = column.decimal or column.source.declared
    return f"DECIMAL({precision}, {scale})" if scale else "HUGEINT"


def _value(column: ExtractColumn) -> str:
    value = column.quoted
    if column.source.is_float:
        # By way of its text, a single-precision 0.1 stays 0.1 and does not become 0.10000000149011612.
        number = f"{value}::VARCHAR::DOUBLE" if column.stored_as == "FLOAT" else value
        return f"CASE WHEN isfinite({value}) THEN to_json({number}) ELSE to_json({column.as_float_text}) END"
    if column.source.type_name == "numeric" and not _is_mixed(column):
        return f"{value}::{_decimal(column)}"
    if column.source.is_moment and column.stored_as == "VARCHAR":
        instant = f"{value}::TIMESTAMPTZ::VARCHAR" if column.source.has_zone else value  # text of the query's zone
        zulu = f"replace(replace({instant}, ' ', 'T'), '+00', 'Z')"
        usual = USUAL_MOMENTS[column.source.type_name]
        return f"CASE WHEN regexp_full_match({value}, '{usual}') THEN {zulu} ELSE {value} END"
    if column.stored_as == "TIMESTAMP":
        return f"replace({value}::VARCHAR, ' ', 'T')"
    if column.stored_as.startswith("TIMESTAMP WITH"):
        return f"replace(replace({value}::VARCHAR, ' ', 'T'), '+00', 'Z')"
    return f"{value}::VARCHAR" if column.stored_as == "DATE" else value
