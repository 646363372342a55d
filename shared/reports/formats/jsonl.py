"""Writes JSON Lines: one object per row, whose keys are the columns' names."""

from shared.reports import duck
from shared.reports.extract import ExtractColumn
from shared.reports.formats.rendering import Rendering


def write_jsonl(rendering: Rendering) -> int:
    """Write UTF-8 with LF. Decimals are numbers with all their digits, moments are RFC 3339, NULL is null.

    NaN and Infinity, for which JSON has no number, are the text that PostgreSQL writes.
    """
    fields = [f"{duck.literal(c.name)}, {_value(c)}" for c in rendering.extract.columns]
    with rendering.path.open("wb", buffering=1 << 20) as file:
        for piece in rendering.lines(f"json_object({', '.join(fields)})::VARCHAR"):
            file.write(piece)
    return rendering.extract.rows


def _value(column: ExtractColumn) -> str:
    value = column.quoted
    if column.source.is_float:
        # By way of its text, a single-precision 0.1 stays 0.1 and does not become 0.10000000149011612.
        number = f"{value}::VARCHAR::DOUBLE" if column.stored_as == "FLOAT" else value
        return f"CASE WHEN isfinite({value}) THEN to_json({number}) ELSE to_json({column.as_float_text}) END"
    if column.final_type.startswith("DECIMAL"):
        whole = column.final_type.endswith(" 0)")
        return f"{value}::{'HUGEINT' if whole else column.final_type}"
    if column.stored_as == "TIMESTAMP":
        return f"replace({value}::VARCHAR, ' ', 'T')"
    if column.stored_as.startswith("TIMESTAMP WITH"):
        return f"replace(replace({value}::VARCHAR, ' ', 'T'), '+00', 'Z')"
    return f"{value}::VARCHAR" if column.stored_as == "DATE" else value
