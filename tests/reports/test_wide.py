"""A row of many columns takes time and memory in proportion, and fits the usual limits."""

import pytest

from shared.catalog.model import Format
from tests.reports.conftest import MakeRequest, Run


@pytest.mark.parametrize(
    ("format_", "columns", "cast"),
    [
        (Format.XLSX, 300, "int"), (Format.XLSX, 1600, "text"), (Format.PARQUET, 1600, "text"),
        (Format.JSONL, 1600, "text"), (Format.HTML, 1600, "text"), (Format.PDF, 300, "int"),
    ],
)  # fmt: skip
def test_many_columns_fit_the_usual_memory(
    format_: Format, columns: int, cast: str, a_request: MakeRequest, run: Run
) -> None:
    query = "SELECT " + ", ".join(f"n::{cast} AS c{at}" for at in range(columns)) + " FROM generate_series(1, 50) n"

    assert run(a_request(query, format_))[0].rows == 50


def test_a_csv_beside_another_format_takes_time_in_proportion(a_request: MakeRequest, run: Run) -> None:
    """A chain of `||` over 1,000 columns took minutes of processor time."""
    query = "SELECT " + ", ".join(f"'x{at}' AS c{at}" for at in range(1000))
    alone = run(a_request(query, Format.CSV))[0]

    assert run(a_request(query, Format.CSV, Format.JSONL))[0].sha256 == alone.sha256
