"""What all lists share: the size of pages, page tokens, and the links between pages."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query

from services.api.actions.lists import MOST, USUAL_SIZE
from services.api.http.problems import invalid
from shared.catalog.parameters import Violation

_SIZE = {"type": "integer", "minimum": 0, "default": USUAL_SIZE}
PageSize = Annotated[
    str,
    Query(
        description=f"How many per page; 0 for the usual {USUAL_SIZE}, and {MOST} for more than that",
        json_schema_extra=_SIZE,
    ),
]
PageToken = Annotated[str | None, Query(description="`nextPageToken` of the page before, with the same filter")]
Moment = Annotated[
    str | None, Query(description="A moment, as RFC 3339 writes it", json_schema_extra={"format": "date-time"})
]


def page_size(given: str, violations: list[Violation], *, usual: int = USUAL_SIZE, most: int = MOST) -> int:
    """Return the size as in AIP-158; an invalid one adds a violation."""
    if re.fullmatch(r"[0-9]{1,100}", given, re.ASCII):
        return min(int(given), most) or usual
    violations.append(
        Violation("pageSize", "range", f"must be a whole number from 1 to {most}, or 0 for the default of {usual}")
    )
    return 1


def only_size(given: str) -> int:
    """Return the size, for a query without other possible mistakes. Raises Problem."""
    violations: list[Violation] = []
    size = page_size(given, violations)
    if violations:
        raise invalid("The query is not valid.", violations)
    return size


def links(place: str, query: Mapping[str, object], next_page: str | None, *, by: str = "pageToken") -> str:
    """Return the links to neighbouring pages (RFC 8288), with whole addresses; `by` names the parameter of the page."""
    pages = {"first": query}
    if next_page is not None:
        pages = {"next": {**query, by: next_page}, **pages}
    addresses = {rel: f"{place}?{urlencode(asked, doseq=True)}".rstrip("?") for rel, asked in pages.items()}
    return ", ".join(f'<{address}>; rel="{rel}"' for rel, address in addresses.items())


def list_links(
    place: str, size: str, next_page: str | None, filters: Mapping[str, object] = MappingProxyType({})
) -> dict[str, str]:
    """Return the link header of a list that was requested with this `pageSize`, and with those of the filters that are
    not None.
    """
    asked = {name: value for name, value in filters.items() if value is not None}
    return {"Link": links(place, {**asked, **({} if size == "0" else {"pageSize": size})}, next_page)}


def moment(name: str, given: object, violations: list[Violation]) -> datetime | None:
    """Return the moment; an invalid one adds a violation of the field `name`."""
    if given is None:
        return None
    try:
        found = datetime.fromisoformat(given) if isinstance(given, str) and "T" in given else None
        if found is not None and found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):  # the year 10000 in UTC, which the database can write and Python cannot read
        pass
    violations.append(Violation(name, "date_time", "must be a timestamp with an offset, such as 2026-12-31T23:59:59Z"))
    return None
