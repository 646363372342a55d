"""The figures of a report: named numbers by which people and conditions distinguish one run from another."""

import re
from collections.abc import Sequence

from shared.catalog.model import ReportType

ROWS = "rows"
"""The number of rows; every report type with files has this figure."""
_ALIAS = re.compile(r"\bAS\s+\"?([A-Za-z_]\w*)\"?", re.IGNORECASE)


def figures_of(report: ReportType) -> Sequence[str]:
    """Return the names of the report type's figures: `rows`, and the columns of `[pdf.figures]`."""
    if not report.formats:
        return []
    figures = report.pdf.figures
    own = [] if figures is None else [*_ALIAS.findall(figures.query), *figures.columns]
    return list(dict.fromkeys([ROWS, *own]))
