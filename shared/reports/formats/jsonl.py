"""Writes JSON Lines: one object per row, whose keys are the columns' names."""

from shared.reports import duck
from shared.reports.extract import NUMBER, USUAL_MOMENTS, ExtractColumn
from shared.reports.formats.rendering import Rendering


def write_jsonl(rendering: Rendering) -> int:
    """Write UTF-8 with LF. Decimals are numbers with all their digits, moments RFC 3339, JSON is itself, NULL null.

    A value for which JSON has no number (NaN, Infinity) is the text that PostgreSQL writes, whatever the other rows
    have; so is a moment that only PostgreSQL knows (infinity, a year before Christ).
    """
    columns = rendering.extract.columns
    if any(_is_mixed(c) or c.source.is_json for c in columns):
        pairs = [f"concat(to_json({duck.literal(c.name)})::VARCHAR, ':', {_text(c)})" for c in columns]
        line = f"concat('{{', concat_ws(',', {', '.join(pairs)}), '}}')"
    else:
        fields = [f"{duck.literal(c.name)}, {_value(c)}" for c in columns]
        line = f"json_object({', '.join(fields)})::VARCHAR"
    with rendering.path.open("wb", buffering=1 << 20) as file:
        for piece in rendering.lines(line):
            file.write(piece)
    return rendering.extract.rows


def _is_mixed(column: ExtractColumn) -> bool:
    """True for a text column whose cells are numbers in some rows and words such as NaN in others, or too long ones."""
    return column.source.type_name == "numeric" and column.asked_as == "DOUBLE"


def _text(column: ExtractColumn) -> str:
    """SQL for the value as JSON text. Only so has a number of more than 38 digits all of them."""
    if column.source.is_json:  # of type `json`, it has the line ends of whoever typed it in
        value = column.quoted
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
        zulu = f"replace(replace({value}, ' ', 'T'), '+00', 'Z')"
        usual = USUAL_MOMENTS[column.source.type_name]
        return f"CASE WHEN regexp_full_match({value}, '{usual}') THEN {zulu} ELSE {value} END"
    if column.stored_as == "TIMESTAMP":
        return f"replace({value}::VARCHAR, ' ', 'T')"
    if column.stored_as.startswith("TIMESTAMP WITH"):
        return f"replace(replace({value}::VARCHAR, ' ', 'T'), '+00', 'Z')"
    return f"{value}::VARCHAR" if column.stored_as == "DATE" else value
