"""What a source is asked."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.catalog.asker import NOBODY, Asker
from shared.catalog.model import ReportType


@dataclass(frozen=True, slots=True)
class Question:
    """A report type, its parameters, and on whose behalf."""

    report: ReportType
    parameters: Mapping[str, object]
    """The validated parameters as stored on the job: JSON values, defaults filled in."""
    asker: Asker = NOBODY
