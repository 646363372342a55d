"""What a document says about itself: which data it shows, by which version of the report, for which job."""

import datetime as dt
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from shared.reports.formats.labels import labels_of, left_to_right
from shared.reports.formats.rendering import Rendering


def data_date(rendering: Rendering) -> str:
    """Return the moment at which the source was read, in the reader's time zone; empty if unknown.

    It is the snapshot's: the same job and the same rows give the same bytes, whenever they are rendered.
    """
    if not rendering.taken_at:
        return ""
    zone = rendering.shape.zone
    moment = dt.datetime.fromisoformat(rendering.taken_at).astimezone(ZoneInfo(zone))
    return f"{moment:%Y-%m-%d %H:%M} {zone}"


def edition(rendering: Rendering) -> Sequence[tuple[str, str]]:
    """Return title and value of everything that distinguishes this document from others of the same report."""
    date = data_date(rendering)
    return [*([(labels_of(rendering.language).data_of, date)] if date else []), *_marks(rendering)]


def footer_text(rendering: Rendering) -> str:
    """Return the small print at the foot of a page, to the left of its number."""
    marks = (f"{title} {left_to_right(value, from_right=rendering.from_right)}" for title, value in _marks(rendering))
    return " · ".join(filter(None, (rendering.report.theme.organisation, *marks)))


def _marks(rendering: Rendering) -> Sequence[tuple[str, str]]:
    labels = labels_of(rendering.language)
    marks = [(labels.version, rendering.report.version), (labels.job, rendering.job_id)]
    return [(title, value) for title, value in marks if value]


def nothing_matches(rendering: Rendering) -> str:
    """Return the sentence of a report without rows, with its parameters; empty if it has rows."""
    if rendering.extract.rows:
        return ""
    labels = labels_of(rendering.language)
    asked = "; ".join(
        f"{title}: {left_to_right(value, from_right=rendering.from_right)}"
        for title, value in rendering.shown_parameters()
    )
    return f"{labels.nothing} ({asked})." if asked else f"{labels.nothing}."
