"""Writes Apache Parquet, typed and compressed."""

from shared.reports import duck
from shared.reports.formats.rendering import Rendering

_ROW_GROUP_ROWS = 120_000


def write_parquet(rendering: Rendering) -> int:
    """Write zstd-compressed Parquet: exact decimals, timestamps with time zone as UTC, everything else as text.

    The type of a column is the one that the source declares, also without rows. If a value does not fit it, the whole
    column is text: a date column with `infinity` in it, a decimal column with NaN. The extract already is such a file
    if it has only the report's columns.
    """
    extract = rendering.extract
    alone = not any(c.text_name or c.json_name for c in extract.columns)
    if alone and not rendering.beside and all(c.final_type == c.stored_as for c in extract.columns):
        rendering.path.hardlink_to(extract.path)
        return extract.rows
    fields = ", ".join(c.as_final for c in extract.columns)
    rendering.connection.execute(
        f"COPY (SELECT {fields} FROM {extract.table}) TO {duck.literal(str(rendering.path))} "
        f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROW_GROUP_ROWS})"
    )
    rendering.progress(extract.rows)
    return extract.rows
