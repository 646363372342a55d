"""Where a page of a list in the order of time ends: its token, and the size of pages."""

import base64
import json
import re
from datetime import datetime
from typing import Annotated

from fastapi import Query

from shared.catalog.parameters import Violation

_SIZE = r"^([1-9][0-9]?|100)$"
_TOKEN = r"^[A-Za-z0-9_-]{1,200}$"  # noqa: S105 - a pattern, not a secret
PageSize = Annotated[str, Query(description="1 to 100 per page", json_schema_extra={"pattern": _SIZE})]
PageToken = Annotated[
    str | None, Query(description="nextPageToken of the page before", json_schema_extra={"pattern": _TOKEN})
]
Moment = Annotated[
    str | None,
    Query(description="A moment, as RFC 3339 writes it", json_schema_extra={"format": "date-time"}),
]


def page_size(given: str, violations: list[Violation]) -> int:
    """The size; a violation if it is none."""
    if re.fullmatch(_SIZE, given):
        return int(given)
    violations.append(Violation("pageSize", "range", "must be a whole number from 1 to 100"))
    return 1


def token(at: datetime, which: str) -> str:
    """The token of a page that ends with `which`, of the moment `at`."""
    return base64.urlsafe_b64encode(json.dumps([at.isoformat(), which]).encode()).decode().rstrip("=")


def place(given: str | None, which: str, violations: list[Violation]) -> tuple[datetime, str] | None:
    """Where the page begins; a violation if the token is none of ours, whose second part is like `which`."""
    if given is None:
        return None
    try:
        at, found = json.loads(base64.b64decode(given + "=" * (-len(given) % 4), altchars=b"-_", validate=True))
        if re.fullmatch(which, found) and (moment := datetime.fromisoformat(at)).tzinfo is not None:
            return moment, found
    except (ValueError, TypeError):
        pass
    violations.append(Violation("pageToken", "malformed", "must be a nextPageToken, unchanged"))
    return None


def moment(name: str, given: object, violations: list[Violation]) -> datetime | None:
    """The moment; a violation of the field `name` if it is none."""
    if given is None:
        return None
    try:
        found = datetime.fromisoformat(given) if isinstance(given, str) and "T" in given else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        violations.append(Violation(name, "date_time", "must be a moment with an offset, like 2026-12-31T23:59:59Z"))
        return None
    return found
