"""JSON Lines: one object a row, keys as the columns are called."""

from shared.reports import duck
from shared.reports.extract import ExtractColumn
from shared.reports.rendering import Rendering


def write_jsonl(rendering: Rendering) -> int:
    """Write UTF-8 with LF. Decimals are numbers with all their digits, moments are RFC 3339, NULL is null.

    What JSON has no number for (NaN, Infinity) is the text that PostgreSQL writes.
    """
    fields = [f"{duck.literal(c.name)}, {_value(c)}" for c in rendering.extract.columns]
    with rendering.path.open("wb", buffering=1 << 20) as file:
        for piece in rendering.lines(f"json_object({', '.join(fields)})::VARCHAR"):
            file.write(piece)
    return rendering.extract.rows


def _value(column: ExtractColumn) -> str:
    value = column.quoted
    if column.source.is_float:
        return f"CASE WHEN isfinite({value}) THEN to_json({value}) ELSE to_json({column.as_float_text}) END"
    if column.decimal:
        return f"{value}::{column.final_type}"
    if column.stored_as == "TIMESTAMP":
        return f"replace({value}::VARCHAR, ' ', 'T')"
    if column.stored_as.startswith("TIMESTAMP WITH"):
        return f"replace(replace({value}::VARCHAR, ' ', 'T'), '+00', 'Z')"
    return f"{value}::VARCHAR" if column.stored_as == "DATE" else value
