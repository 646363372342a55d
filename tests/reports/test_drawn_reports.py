"""For any report type and request, the code for few rows makes the same files as that for many, and
failures say why.
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st

from tests.reports.drawn.both_ways import check, outcome
from tests.reports.drawn.requests import drawn, write_chart

_EXAMPLES = int(os.environ.get("REPORT_EXAMPLES", "30"))
"""Reports to draw. The default ones are the same on every run; more are drawn anew."""
# What a report's author or a request can be blamed for. `source_query_failed`: a value that its source cannot tell.
_FORESEEN = frozenset({
    "summary_failed", "summary_too_large", "character_not_encodable", "chart_failed", "source_query_failed",
    "output_too_large", "column_missing",
})  # fmt: skip


@pytest.fixture
def dsns(source_dsn: str, tmp_path: Path) -> dict[str, str]:
    """The connection strings of empty sources."""
    (tmp_path / "files").mkdir()
    (tmp_path / "empty.db").touch()
    return {"postgres": source_dsn, "files": f"file://{tmp_path}/files", "sqlite": f"sqlite://{tmp_path}/empty.db"}


@settings(
    max_examples=_EXAMPLES, deadline=None, derandomize="REPORT_EXAMPLES" not in os.environ, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(data=st.data())
def test_few_rows_make_the_files_of_many_whatever_is_asked(
    data: st.DataObject, dsns: dict[str, str], scratch: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "drawn"
    folder.mkdir(exist_ok=True)
    write_chart(folder)
    one = data.draw(drawn(folder))
    few, many = (outcome(one, dsns[one.source], scratch, many=many) for many in (False, True))
    event(few.code or "made")
    note(f"{few.code} {few.message}")

    assert (few.code, few.message) == (many.code, many.message)
    assert few.code in {"", *_FORESEEN}
    assert few.digests == many.digests
    for file in few.files:
        check(file)
