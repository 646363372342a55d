"""When a job's end is notified: always, or only if one of up to five conditions is met.

A condition is written as it is stored: `rows` (the report has rows), `failure` (the job failed), or an object that
names a figure and a bound: `{"figure": "cancelled_share", "above": 0.1}`. Other events than a job's end are always
notified.
"""

from collections.abc import Mapping, Sequence

from shared.catalog.figures import ROWS
from shared.webhooks.event import Event, EventType

FIELD = "notifyWhen"
"""The name of the field in a request, and in a job's options."""
HAS_ROWS, FAILURE = "rows", "failure"
MOST = 5

Condition = str | Mapping[str, object]
Conditions = Sequence[Condition]


def met(conditions: Conditions | None, event: Event) -> bool:
    """True if the conditions allow the event to be notified; None means always."""
    if conditions is None or event.type not in {
        EventType.JOB_SUCCEEDED, EventType.JOB_FAILED, EventType.JOB_CANCELLED,
    }:  # fmt: skip
        return True
    return any(_is_met(one, event) for one in conditions)


def _is_met(condition: Condition, event: Event) -> bool:
    if condition == FAILURE:
        return event.type == EventType.JOB_FAILED
    figures = event.figures or {}
    if event.type != EventType.JOB_SUCCEEDED:
        return False
    if isinstance(condition, str):
        return _number(figures.get(ROWS)) > 0
    value, above, below = figures.get(str(condition.get("figure"))), condition.get("above"), condition.get("below")
    if value is None:
        return False
    return (above is not None and _number(value) > _number(above)) or (
        below is not None and _number(value) < _number(below)
    )


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
