"""What a source is asked, and how it is to arrange what it has."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.catalog.asker import NOBODY, Asker
from shared.catalog.model import FurtherQuery, ReportType
from shared.catalog.shape import AS_IT_IS, Shape


@dataclass(frozen=True, slots=True)
class Question:
    """A report type, its parameters, and on whose behalf."""

    report: ReportType
    parameters: Mapping[str, object]
    """The validated parameters as stored on the job: JSON values, defaults filled in."""
    asker: Asker = NOBODY
    shape: Shape = AS_IT_IS
    """In which zone its session is, which columns it has, how its rows are sorted, and how many there are."""
    has_summaries: bool = False
    """True if summaries and charts are made of the result, which may ask for columns that files do not show."""
    further: FurtherQuery | None = None
    """The query beside query.sql that is asked, and that the report type has as its own here; None for query.sql."""

    @property
    def scoped_columns(self) -> frozenset[str]:
        """The columns that the query must give, because the asker may not see them under another name."""
        hidden = self.report.hidden_columns(self.asker.scopes)
        return hidden if self.further is None else hidden & self.further.columns.keys()


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What becomes of a result. Columns are positions from 0."""

    read: tuple[int, ...]
    """The columns that are read; those that files show come first, in their order."""
    shown: int
    """How many of them files show. The others are for summaries and charts."""
    order: tuple[tuple[int, bool], ...]
    """The columns by which rows are sorted; true for descending. NULL comes last, and rows that are equal stay in the
    query's order."""
    limit: int | None
