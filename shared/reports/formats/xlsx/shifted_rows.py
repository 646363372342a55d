"""Numbers the data rows of a worksheet that has lines of totals between them, and finds texts among them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from shared.reports.extract import Extract, ExtractColumn
from shared.reports.formats.xlsx.cells import Cell, is_text

Texts = Mapping[int, Sequence[int]]
"""Column, from 0 → data rows, from 0 and in order: at least one of each innermost group that contains texts there."""


@dataclass(frozen=True, slots=True)
class ShiftedRows:
    """The rows of one answer, and the columns whose every change is followed by a line of totals."""

    extract: Extract
    levels: Sequence[ExtractColumn]

    @property
    def shift(self) -> str:
        """The quoted name of the number of lines of totals above a row."""
        return self.extract.unused("shift")

    def of(self, first: int, end: int) -> str:
        """Return SQL for FROM: these data rows, excluding `end`, with `shift` and the extract's `row_number`."""
        extract, step = self.extract, self.extract.unused("step")
        stepped = f"(SELECT *, {self._step} AS {step} FROM {extract.numbered})"
        # Without ORDER BY the windows read the rows as they come, and keep none of them.
        running = f"sum({step}) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)::BIGINT"
        shifted = f"(SELECT *, {running} AS {self.shift} FROM {stepped})"
        if end - first == extract.rows:
            return shifted
        return f"{shifted} WHERE {extract.row_number} >= {first} AND {extract.row_number} < {end}"

    @property
    def _step(self) -> str:
        """SQL for how many more lines of totals a data row has above it than the row before."""
        keys = [c.quoted for c in self.levels]
        changes = [
            " OR ".join(f"{key} IS DISTINCT FROM lag({key}) OVER ()" for key in keys[: at + 1])
            for at in range(len(keys))
        ]
        steps = " + ".join(f"({change})::INTEGER" for change in changes) or "0"
        return f"CASE WHEN {self.extract.row_number} = 0 THEN 0 ELSE {steps} END"

    def texts(self, connection: duckdb.DuckDBPyConnection, cells: Mapping[int, Cell]) -> Texts:
        """Return where these columns have cells of text: one row for each innermost group."""
        doubtful = {at: cell for at, cell in cells.items() if not cell.sure}
        if not doubtful:
            return {}
        checks = ", ".join(f"bool_or({is_text(cell)})" for cell in doubtful.values())
        found: Any = connection.execute(
            f"SELECT min({self.extract.row_number}), {checks} FROM {self.of(0, self.extract.rows)} "
            f"GROUP BY {self.shift} ORDER BY ALL"
        ).fetchall()
        return {at: [row for row, *flags in found if flags[n]] for n, at in enumerate(doubtful)}


def texts_in_python(columns: Sequence[int], fields: Sequence[Sequence[str | None]]) -> Texts:
    """Return where these columns have cells of text, from the fields of all rows, as `rows_in_python` takes them."""
    return {
        at: [row for row, of in enumerate(fields) if of[2 * at] is None and of[2 * at + 1] is not None]
        for at in columns
    }
