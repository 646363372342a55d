"""The pivot of a result: its rows as a table of two directions."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pivot:
    """How the rows of a result become a two-dimensional table, in the formats that people read."""

    rows: tuple[str, ...]
    """The columns that stay, with one row for each combination of their values, in the order of first appearance."""
    column: str
    """The column whose values become columns, in their order."""
    value: str
    """The column whose values fill those columns."""
    aggregate: str = "sum"
    total: str = ""
    """The title of a last column over all values; empty for none."""

    @property
    def names(self) -> Sequence[str]:
        """Every column of the result that it needs."""
        return [*self.rows, self.column, self.value]
