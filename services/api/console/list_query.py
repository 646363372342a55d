"""The meaning of a list's address, in one canonical order. A part without meaning is reported, never dropped."""

from collections.abc import Collection, Sequence
from itertools import islice
from typing import NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from starlette.datastructures import QueryParams

from services.api.console import translated
from services.api.console.texts import Texts
from services.api.v1.job_filters import Written, read_filter
from shared.catalog.moment import zone_problem
from shared.catalog.parameters import Violation
from shared.jobs.filters import JobFilter
from shared.suggest import did_you_mean

FILTERS = (
    "createdAfter", "createdBefore", "status", "reportType", "label", "requester", "errorCode", "retryOf", "bulk",
    "schedule", "id", "tookAtLeast",
)  # fmt: skip
"""The API's own filters, in the order in which an address lists them."""
REPEATABLE = ("status", "label", "column")
SIZES = (25, 50, 100)
COLUMNS = ("by", "asked", "ended", "waited", "ran", "attempt", "rows", "size", "labels")
"""Optional columns of a list of jobs; an address names them as `column`."""
USUAL_COLUMNS = ("by", "asked", "waited", "ran", "attempt", "rows")
SORTS = tuple(f"{sign}{name}" for name in ("asked", "waited", "ran", "attempt", "rows", "size") for sign in ("", "-"))
"""Orders of the jobs on one page: lowest first or, with a minus, highest first. The whole list is always newest first:
no other order has an index, so any other would be misleading."""
WITHIN = ("from", "to", "zone")
"""A time range as people enter it; services/api/console/list_search.py turns it into moments."""
_BESIDE = ("size", "column", "sort", "live", "panel", "pageToken", "told")
"""Further parts of an address, after the filters."""
QUALIFIERS = {
    "state": "status", "type": "reportType", "by": "requester", "error": "errorCode", "after": "createdAfter",
    "before": "createdBefore", "retry": "retryOf", "bulk": "bulk", "schedule": "schedule", "id": "id",
    "took": "tookAtLeast",
}  # fmt: skip
"""The search box's names for the filters."""
TOLD = ("view_saved", "view_deleted")
"""A page shows the text `told.{code}` once, by its code: an address never contains a text to show."""


_MOST_WRONG = 20
"""The most meaningless parts that are reported: nobody makes more mistakes, and every hint takes time."""


_MOST_CHIPS = 50
"""The most chips: nobody uses more filters, and each chip repeats the whole address."""


class Chip(NamedTuple):
    """A part of the address that can be removed."""

    name: str
    value: str
    problem: str
    """Why it is meaningless; empty for a filter."""
    without: str
    """The query of the address without it."""


class ListQuery(NamedTuple):
    """The parsed address of a list."""

    given: Sequence[tuple[str, str]]
    """The filters, as given."""
    wanted: JobFilter
    written: Written
    violations: Sequence[Violation]
    """Why the address is invalid."""
    chips: Sequence[Chip]
    size: int
    columns: Sequence[str]
    sort: str | None
    """One of SORTS; None means newest first."""
    live: bool
    """False if the address asks for a list that does not update itself."""
    told: str | None
    """One of TOLD."""
    panel: UUID | None
    """The job that is shown beside the list."""
    page_token: str | None

    @property
    def query(self) -> str:
        """The filters, and how the list is displayed, for the address of another page."""
        return self.sorted_by(self.sort)

    def sorted_by(self, sort: str | None) -> str:
        """Return the same query, with another order of the jobs on a page."""
        size = [] if self.size == SIZES[0] else [("size", str(self.size))]
        columns = [] if self.columns == USUAL_COLUMNS else [("column", name) for name in self.columns]
        order = [("sort", sort)] if sort else []
        return _encoded([*self.given, *size, *columns, *order, *([] if self.live else [("live", "off")])])

    @property
    def filters(self) -> str:
        """Only the filters, as the API takes them."""
        return _encoded(self.given)


def read_query(params: QueryParams, *, more: Collection[str] = (), texts: Texts | None = None) -> ListQuery:
    """Parse the address. `more` are parameters that its route reads itself; chips are worded by `texts`."""
    items = [(name, value) for name, value in params.multi_items() if value]
    ordered = sorted(
        ((name, value) for name, value in items if name in FILTERS), key=lambda each: FILTERS.index(each[0])
    )
    given = list(dict.fromkeys(ordered))
    known = {*FILTERS, *_BESIDE, *WITHIN, "q", *more}
    violations = [
        Violation(name[:100], "unknown_parameter", f"is not a filter{did_you_mean(name[:100], known)}")
        for name in islice(dict.fromkeys(name for name, _ in items if name not in known), _MOST_WRONG)
    ]
    if params.get("zone") and (problem := zone_problem(params["zone"])):
        violations.append(Violation("zone", "zone", problem))
    columns = _columns(params.getlist("column"), violations)
    sort = _only("sort", params.get("sort"), SORTS, violations)
    size, panel = _size(params.get("size"), violations), _panel(params.get("panel"), violations)
    live = _only("live", params.get("live"), ("off",), violations) is None
    news = _only("told", params.get("told"), TOLD, violations)
    violations += [Violation("q", "unknown", _not_understood(value)) for name, value in items if name == "q"]
    written = _written(given)
    wanted = read_filter(written, violations)
    told = translated.violations(violations, texts) if texts else violations
    chips = _chips([each for each in items if each[0] not in ("pageToken", *more)], told)
    return ListQuery(
        given,
        wanted,
        written,
        violations,
        chips,
        size,
        columns,
        sort,
        live,
        news,
        panel,
        params.get("pageToken") or None,
    )


def _encoded(pairs: Sequence[tuple[str, str]]) -> str:
    return urlencode(pairs)


def _written(given: Sequence[tuple[str, str]]) -> Written:
    once = {name: value for name, value in reversed(given) if name not in REPEATABLE}
    many = {name: [value for key, value in given if key == name] or None for name in ("status", "label")}
    return Written(**{**once, **many})  # type: ignore[arg-type] # the names are those of its fields


def _size(given: str | None, violations: list[Violation]) -> int:
    if not given or given in {str(size) for size in SIZES}:
        return int(given or SIZES[0])
    violations.append(Violation("size", "choice", f"must be one of {', '.join(map(str, SIZES))}"))
    return SIZES[0]


def _columns(given: Sequence[str], violations: list[Violation]) -> Sequence[str]:
    """Return the columns in their canonical order; the default ones if none is named."""
    named = [name for name in given if name]
    violations += [
        Violation("column", "choice", f"{name[:40]!r} is not a column{did_you_mean(name[:40], COLUMNS)}")
        for name in islice(dict.fromkeys(name for name in named if name not in COLUMNS), _MOST_WRONG)
    ]
    return tuple(name for name in COLUMNS if name in named) or USUAL_COLUMNS


def _only(name: str, given: str | None, known: Collection[str], violations: list[Violation]) -> str | None:
    if not given or given in known:
        return given or None
    violations.append(Violation(name, "choice", f"must be {' or '.join(known)}"))
    return None


def _panel(given: str | None, violations: list[Violation]) -> UUID | None:
    if not given:
        return None
    found = job_id(given)
    if found is None:
        violations.append(Violation("panel", "uuid", "is not a job's id"))
    return found


def job_id(text: str) -> UUID | None:
    """Return the id of a job if the text is one."""
    try:
        return UUID(text)
    except ValueError:
        return None


def _not_understood(value: str) -> str:
    known = ", ".join((*(f"{name}:" for name in QUALIFIERS), "label.name:"))
    return f"{value[:60]!r} is neither a job's id, nor the beginning of one, nor one of {known} with a value behind it"


def _chips(items: Sequence[tuple[str, str]], violations: Sequence[Violation]) -> list[Chip]:
    wrong = {violation.field: violation.message for violation in reversed(violations)}
    shown = ((name, value) for name, value in dict.fromkeys(items) if name in FILTERS or name[:100] in wrong)
    return [
        Chip(name, value, wrong.get(name[:100], ""), _encoded([each for each in items if each != (name, value)]))
        for name, value in islice(shown, _MOST_CHIPS)
    ]
