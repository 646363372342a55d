"""A Parquet file's schema is the same whatever its rows are."""

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from shared.catalog.model import Format
from shared.catalog.shape import AS_IT_IS, Shape
from shared.reports.interface import RenderedFile
from tests.reports.conftest import MakeRequest, Run

# A number of no declared size, which an extract keeps as text, and the usual types.
VALUES = "7::{numeric} AS exact, 1.25::{money} AS money, DATE '2013-01-31' AS day, 'x' AS words, 0.5::{float} AS part"
POSTGRES = VALUES.format(numeric="numeric", money="numeric(8, 2)", float="float8")
DUCKDB = VALUES.format(numeric="HUGEINT", money="DECIMAL(8, 2)", float="DOUBLE")


def schema_of(file: RenderedFile) -> list[tuple[str, str, str]]:
    """Name, type and repetition of each column."""
    asked = "SELECT name, duckdb_type, repetition_type FROM parquet_schema(?) WHERE num_children IS NULL"
    return duckdb.connect().execute(asked, [str(file.path)]).fetchall()


@pytest.mark.parametrize("rows", [2, 1_500])
@pytest.mark.parametrize("shape", [AS_IT_IS, Shape(sort=("-exact",))], ids=["", "sorted"])
@pytest.mark.parametrize("source", ["postgres", "files"])
def test_every_column_may_be_null_also_where_none_is(
    source: str, shape: Shape, rows: int, a_request: MakeRequest, run: Run, scratch: Path, source_dsn: str
) -> None:
    """Those who read the files of several days together want one schema."""
    values, made, dsn = POSTGRES, f"generate_series(1, {rows}) AS n", source_dsn
    if source == "files":
        values, made, dsn = DUCKDB, f"range({rows}) AS n(n)", f"file://{scratch}"
    schemas = []
    for condition in ("true", "n > 1"):
        query = f"SELECT {values.replace('7::', f'CASE WHEN {condition} THEN 7 END::')} FROM {made}"
        [file] = run(replace(a_request(query, Format.PARQUET, dsn=dsn), shape=shape))
        schemas.append(schema_of(file))

    assert {repetition for _, _, repetition in schemas[0]} == {"OPTIONAL"}
    assert schemas[0] == schemas[1]
