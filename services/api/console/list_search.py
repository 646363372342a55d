"""What people enter above the list of jobs, as the address that means it."""

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
"""Digits from which a bare word of the search box is the beginning of a job's id."""
_PASSING = ("q", "pageToken", "panel", "told")
"""What an address says of one look, and not of the list."""
_RANGE = {"from": "createdAfter", "to": "createdBefore"}


def is_entered(params: QueryParams) -> bool:
    """True if a form has sent this: there are fields that an address says otherwise, or empty ones."""
    return any(not value or name == "q" or name in WITHIN for name, value in params.multi_items())


def search(params: QueryParams) -> tuple[UUID | None, str]:
    """What was entered: a job whose id it is, or the query that words, times and the other filters make.

    What means nothing stays under its own name, where the list shows it as such.
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
    """The filters that the words are, and the words that are none."""
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
    """The moments that times of day in a zone are. Whatever they cannot be read as stays as it is."""
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
