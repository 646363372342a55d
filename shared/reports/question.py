"""What a source is asked, and how it must arrange its result."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.catalog.asker import NOBODY, Asker
from shared.catalog.model import FurtherQuery, ReportType
from shared.catalog.shape import AS_IT_IS, Shape


@dataclass(frozen=True, slots=True)
class Question:
    """A report type, its parameters, and the requester."""

    report: ReportType
    parameters: Mapping[str, object]
    """The validated parameters as stored on the job: JSON values, defaults filled in."""
    asker: Asker = NOBODY
    shape: Shape = AS_IT_IS
    """The time zone of its session, its columns, the order of its rows, and how many there are."""
    has_summaries: bool = False
    """True if summaries and charts are made from the result: they may use columns that files do not show."""
    further: FurtherQuery | None = None
    """The further query that is asked, which `report` has as its only one; None for query.sql."""

    @property
    def scoped_columns(self) -> frozenset[str]:
        """The columns that the query must return, because the requester may not see them under another name."""
        hidden = self.report.hidden_columns(self.asker.scopes)
        return hidden if self.further is None else hidden & self.further.columns.keys()


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What to do with a result. Columns are positions from 0."""

    read: tuple[int, ...]
    """The columns that are read; those that files show come first, in order."""
    shown: int
    """How many of them files show. The others are for summaries and charts."""
    order: tuple[tuple[int, bool], ...]
    """The columns by which rows are sorted; true for descending. NULL comes last, and equal rows stay in the query's
    order."""
    limit: int | None
