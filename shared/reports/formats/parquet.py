"""Writes Apache Parquet, typed and compressed."""

from shared.reports import duck
from shared.reports.extract import AS_FINISHED
from shared.reports.formats.rendering import Rendering

_LOOSE = "SET disabled_optimizers = 'statistics_propagation'"
"""Keeps DuckDB from drawing conclusions from the rows it has seen: a new file would declare a column without NULLs as
NOT NULL (2.0), and the files of two days would have different schemas."""


def write_parquet(rendering: Rendering) -> int:
    """Write zstd-compressed Parquet: exact decimals, timestamps with time zone as UTC, everything else as text.

    The type of a column is the one that the source declares, even without rows, and it is nullable. If a value does not
    fit it, the whole column is text: a date column with `infinity` in it, a decimal column with NaN. The extract
    already is such a file if it has only the report's columns, in their final types.
    """
    extract = rendering.extract
    if extract.cells is not None or _is_finished(rendering):
        rendering.path.hardlink_to(extract.path)
        return extract.rows
    fields = ", ".join(c.as_final for c in extract.columns)
    rendering.connection.execute(_LOOSE)
    rendering.connection.execute(
        f"COPY (SELECT {fields} FROM {extract.table}) TO {duck.literal(str(rendering.path))} ({AS_FINISHED})"
    )
    rendering.connection.execute("RESET disabled_optimizers")
    rendering.progress(extract.rows)
    return extract.rows


def _is_finished(rendering: Rendering) -> bool:
    if rendering.beside or not rendering.extract.has_final_columns:
        return False
    asked = "SELECT count(*) FROM parquet_schema(?) WHERE num_children IS NULL AND repetition_type <> 'OPTIONAL'"
    return rendering.connection.execute(asked, [str(rendering.extract.path)]).fetchone() == (0,)
