"""Writes JSON Lines: one object per row, whose keys are the columns' names."""

import re
from collections.abc import Callable, Sequence
from json.encoder import encode_basestring

from shared.reports import duck
from shared.reports.extract import NUMBER, USUAL_MOMENTS, ExtractColumn
from shared.reports.formats.rendering import Rendering


def write_jsonl(rendering: Rendering) -> int:
    """Write UTF-8 with LF. Decimals are numbers with all their digits, moments RFC 3339, JSON is itself, NULL null.

    A value for which JSON has no number (NaN, Infinity) is the text that PostgreSQL writes, whatever the other rows
    contain; so is a moment that only PostgreSQL knows (infinity, a year BC).
    """
    columns = rendering.extract.columns
    if rendering.extract.cells is not None:
        return _write_from_cells(rendering)
    pairs = [f"{duck.literal(opening)}, {_text(c)}" for c, opening in zip(columns, _openings(columns), strict=True)]
    with rendering.path.open("wb", buffering=1 << 20) as file:
        for piece in rendering.lines(*pairs, "'}'"):
            file.write(piece)
    return rendering.extract.rows


def _write_from_cells(rendering: Rendering) -> int:
    """Write the same from cells."""
    rows = rendering.extract.cells or ()
    columns = list(zip(_openings(rendering.extract.columns), map(_writer, rendering.extract.columns), strict=True))
    lines = [
        "".join([
            opening + ("null" if text is None else write(text))
            for (opening, write), text in zip(columns, row, strict=True)
        ])
        for row in rows
    ]  # fmt: skip
    rendering.path.write_text("".join(f"{line}}}\n" for line in lines), encoding="utf-8", newline="\n")
    rendering.progress(len(lines))
    return len(lines)


def _openings(columns: Sequence[ExtractColumn]) -> Sequence[str]:
    """Return what precedes the value of each column."""
    return [f"{',' if at else '{'}{_string(c.name)}:" for at, c in enumerate(columns)]


def _string(text: str) -> str:
    written = encode_basestring(text)
    return _ESCAPE.sub(_as_duckdb_has_it, written) if "\\u" in written else written


_ESCAPE = re.compile(r"\\(u[0-9a-f]{4}|.)")


def _as_duckdb_has_it(escape: re.Match[str]) -> str:
    return f"\\u{escape[1][1:].upper()}" if escape[1][0] == "u" else escape[0]


def _writer(column: ExtractColumn) -> Callable[[str], str]:
    """Return a function that writes a cell's text as JSON."""
    source = column.source
    if source.is_integer:
        return str
    if source.is_float:
        return lambda text: repr(float(text))
    if source.type_name == "bool":
        return lambda text: "true" if text == "t" else "false"
    if source.type_name == "numeric":
        _, scale = column.decimal or source.declared
        return lambda text: _padded(text, scale)
    if source.type_name == "timestamp":
        return lambda text: f'"{text.replace(" ", "T")}"'
    if source.type_name == "timestamptz":
        return lambda text: f'"{text.replace(" ", "T").replace("+00", "Z")}"'
    return _string


def _padded(number: str, scale: int) -> str:
    """Return the decimal number with as many places as the column has."""
    whole, _, places = number.partition(".")
    return f"{whole}.{places:0<{scale}}" if scale else whole


def _is_mixed(column: ExtractColumn) -> bool:
    """True for a text column whose cells are numbers in some rows, and in others words such as NaN
    or overlong numbers.
    """
    return column.source.type_name == "numeric" and column.asked_as == "DOUBLE"


def _json_of(column: ExtractColumn) -> str:
    """Return SQL for the JSON text of a column that has one; empty for one that has none."""
    return duck.identifier(column.json_name) if column.json_name else column.quoted if column.source.is_json else ""


def _text(column: ExtractColumn) -> str:
    """Return SQL for the value as JSON text."""
    value, source = column.quoted, column.source
    if json := _json_of(column):
        # JSON keeps the line breaks of its author, and a source from a package may declare a text as JSON that is not.
        in_a_line = f"translate({json}, chr(10) || chr(13), '  ')"
        text = f"CASE WHEN json_valid({json}) THEN {in_a_line} ELSE to_json({json}) END"
    elif source.is_integer or column.stored_as == "BOOLEAN":
        text = f"{value}::VARCHAR"
    elif source.is_float:
        text = f"CASE WHEN isfinite({value}) THEN {value}::VARCHAR ELSE to_json({column.as_float_text}) END"
    elif _is_mixed(column):
        number = _exact(f"TRY_CAST({value} AS {_decimal(column)})", column) if column.decimal else value
        text = f"CASE WHEN regexp_full_match({value}, '{NUMBER}') THEN {number} ELSE to_json({value}) END"
    elif source.type_name == "numeric":
        text = _exact(f"{value}::{_decimal(column)}", column)
    elif source.is_moment:
        text = f"""'"' || {_moment(column)} || '"'"""
    else:
        text = f"to_json({value})"
    return f"coalesce({text}, 'null')"


def _decimal(column: ExtractColumn) -> str:
    """Return the DuckDB type from which a decimal number is written; without places it is an integer, not `5.0`."""
    if column.stored_as != "VARCHAR":
        return "HUGEINT" if column.stored_as.endswith(" 0)") else column.stored_as
    precision, scale = column.decimal or column.source.declared
    return f"DECIMAL({precision}, {scale})" if scale else "HUGEINT"


def _exact(number: str, column: ExtractColumn) -> str:
    """Return SQL for the decimal number as text, with a digit before the point: DuckDB 2.0 writes `.25`."""
    precision, scale = column.decimal or column.source.declared
    return f"{number}::VARCHAR" if scale < precision else f"regexp_replace({number}::VARCHAR, '^(-?)[.]', '\\10.')"


def _moment(column: ExtractColumn) -> str:
    """Return SQL for a moment, without quotation marks. The connection is in UTC."""
    value = column.quoted
    if column.stored_as == "VARCHAR":
        instant = f"{value}::TIMESTAMPTZ::VARCHAR" if column.source.has_zone else value  # a text in the query's zone
        zulu = f"replace(replace({instant}, ' ', 'T'), '+00', 'Z')"
        usual = USUAL_MOMENTS[column.source.type_name]
        return f"CASE WHEN regexp_full_match({value}, '{usual}') THEN {zulu} ELSE {value} END"
    if column.stored_as == "DATE":
        return f"{value}::VARCHAR"
    text = f"replace({column.as_utc}::VARCHAR, ' ', 'T')"
    return f"{text} || 'Z'" if column.source.has_zone else text
