"""Translates what people enter above the list of jobs into an address."""

import re
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from starlette.datastructures import QueryParams

from services.api.console.list_query import QUALIFIERS, REPEATABLE, WITHIN, job_id
from services.api.v1.job_filters import ID_BEGINS
from shared.catalog.moment import zone_problem

_LEAST_OF_ID = 6
"""From this many digits on, a bare word in the search box counts as the beginning of a job's id."""
_PASSING = ("q", "pageToken", "panel", "told")
"""Parts of an address that belong to one view of the list, not to the list itself."""
_RANGE = {"from": "createdAfter", "to": "createdBefore"}


def is_entered(params: QueryParams) -> bool:
    """True if a form has sent this: it has fields that an address writes in another way, or empty ones."""
    return any(not value or name == "q" or name in WITHIN for name, value in params.multi_items())


def search(params: QueryParams) -> tuple[UUID | None, str]:
    """Return a job if its id was entered, or the query that words, times and other filters make.

    A meaningless part keeps its own name, under which the list reports it.
    """
    words = params.get("q", "").split()
    if len(words) == 1 and (found := job_id(words[0])) is not None:
        return found, ""
    meant, rest = _of_words(words)
    meant += _of_range(params)
    in_words = dict(meant)
    kept = [
        (name, value)
        for name, value in params.multi_items()
        if name not in _PASSING and name not in WITHIN and value and (name in REPEATABLE or name not in in_words)
    ]
    everything = [*kept, *meant, *([("q", " ".join(rest))] if rest else [])]
    return None, urlencode(list(dict.fromkeys(everything)))


def _of_words(words: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the filters that the words stand for, and the remaining words."""
    meant, rest = [], []
    for word in words:
        name, colon, value = word.partition(":")
        if colon and value and name in QUALIFIERS:
            meant.append((QUALIFIERS[name], _value(name, value)))
        elif colon and value and name.startswith("label."):
            meant.append(("label", f"{name.removeprefix('label.')}:{value}"))
        elif len(word) >= _LEAST_OF_ID and re.fullmatch(ID_BEGINS, word, re.ASCII):
            meant.append(("id", word))
        else:
            rest.append(word)
    return meant, rest


def _value(name: str, value: str) -> str:
    if name == "state":
        return value.upper()
    return value.lstrip(">≥=") if name == "took" else value


def _of_range(params: QueryParams) -> list[tuple[str, str]]:
    """Return the moments of local times in a time zone. What cannot be read as such stays as it is."""
    given = [(name, params[name]) for name in _RANGE if params.get(name)]
    if not given:
        return []
    zone = params.get("zone") or "UTC"
    if zone_problem(zone):
        return [*given, ("zone", zone)]
    return [(_RANGE[name], _moment(value, zone)) for name, value in given]


def _moment(value: str, zone: str) -> str:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return value
    aware = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))
    return aware.isoformat()
