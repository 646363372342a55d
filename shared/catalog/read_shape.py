"""Reads the shape that a request asks for, or gives every reason why it is impossible."""

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, cast

from shared.catalog.csv_dialect import dialect, dialect_problem, field_problem
from shared.catalog.locales import languages
from shared.catalog.model import Format, ReportType
from shared.catalog.moment import zone_problem
from shared.catalog.parameter import ParameterKind
from shared.catalog.parameters import Violation
from shared.catalog.shape import FIELDS, Shape, sort_key
from shared.catalog.values import Refused, parse, show
from shared.suggest import did_you_mean

MOST_SORTS = 10
_MOST_WRONG = 20
"""Wrong items of one list that are explained one by one."""


def read_shape(
    report: ReportType, given: Mapping[str, object], scopes: Collection[str] | None, violations: list[Violation]
) -> Shape:
    """Return the shape, with the report type's defaults; mistakes are added to `violations`.

    `scopes` are the requester's, None for every scope: a column that requires another scope can be neither chosen nor
    sorted by.
    """
    asked = {name: value for name, value in given.items() if name in FIELDS and value is not None}
    defaults = report.options.defaults
    if not asked:
        return defaults
    reader = _Reader(report, scopes, violations)
    found = {FIELDS[name]: reader.read(name, value) for name, value in asked.items()}
    return Shape(**cast("Any", found)).over(defaults)


class _Reader:
    """Reads one request's shape."""

    def __init__(self, report: ReportType, scopes: Collection[str] | None, violations: list[Violation]) -> None:
        self._report = report
        self._hidden = frozenset() if scopes is None else report.hidden_columns(scopes)
        self._violations = violations
        self._readers: Mapping[str, Callable[[object], object]] = {
            "timeZone": self._time_zone, "locale": self._locale, "columns": self._columns, "sort": self._sort,
            "limit": self._limit, "csv": self._csv,
        }  # fmt: skip

    def read(self, name: str, value: object) -> object:
        """Read one field; None if it is invalid."""
        try:
            self._check_allowed(name)
            return self._readers[name](value)
        except Refused as refused:
            self._violations.append(Violation.of(name, refused))
            return None

    def _check_allowed(self, name: str) -> None:
        if not self._report.formats:
            raise Refused("forbidden", f"is for files, and {self._report.name} makes none: leave it out")
        if name in self._report.options.forbid:
            raise Refused("forbidden", f"is not allowed for {self._report.name}: leave it out")

    def _time_zone(self, value: object) -> str:
        if not isinstance(value, str):
            raise Refused("type", f'must be a string such as "Asia/Tokyo", not {show(value)}')
        if problem := zone_problem(value):
            raise Refused("unknown_time_zone", problem)
        return value

    def _locale(self, value: object) -> str:
        known = languages(self._report)
        if not isinstance(value, str):
            raise Refused("type", f'must be a language such as "{known[0]}", not {show(value)}')
        if value not in known:
            short = value[:60].encode("utf-8", "backslashreplace").decode()
            raise Refused("choice", f"is not a language of {self._report.name}{did_you_mean(short, known)}")
        return value

    def _limit(self, value: object) -> int:
        most = self._report.limits.max_rows
        limit = cast("int", parse(ParameterKind.INTEGER, value))
        if not 1 <= limit <= most:
            raise Refused("range", f"must be from 1 to {most}, the rows that {self._report.name} allows")
        return limit

    def _csv(self, value: object) -> Mapping[str, object] | None:
        """Read `csv`, naming wrong fields as in `csv.delimiter`."""
        if Format.CSV not in self._report.formats:
            raise Refused("forbidden", f"is for CSV, which {self._report.name} does not make: leave it out")
        if not isinstance(value, dict):
            raise Refused("type", f'must be an object such as {{"delimiter": ";"}}, not {show(value)}')
        given = {str(name): one for name, one in value.items() if one is not None}
        before = len(self._violations)
        for name, one in itertools.islice(given.items(), _MOST_WRONG):
            if problem := field_problem(name, one):
                short = name[:60].encode("utf-8", "backslashreplace").decode()
                self._violations.append(Violation(f"csv.{short}", problem.code, str(problem)))
        if len(self._violations) > before:
            return None
        if problem_of_all := dialect_problem(dialect(self._report.csv, given)):
            self._violations.append(Violation(f"csv.{problem_of_all[0]}", "conflict", problem_of_all[1]))
            return None
        return given or None

    def _columns(self, value: object) -> tuple[str, ...] | None:
        return self._names("columns", value, lambda name: name if name in self._report.columns else None)

    def _sort(self, value: object) -> tuple[str, ...] | None:
        known = list(self._report.columns)
        found = self._names("sort", value, lambda name: key[0] if (key := sort_key(name, known)) else None)
        if found is not None and len(found) > MOST_SORTS:
            raise Refused("too_long", f"must have at most {MOST_SORTS} columns, not {len(found)}")
        return found

    def _names(self, field: str, value: object, column_of: Callable[[str], str | None]) -> tuple[str, ...] | None:
        """Return the items of a list of columns, each of which may be named only once."""
        if not self._report.columns:
            raise Refused("forbidden", f"needs [columns] in report.toml, and {self._report.name} has none")
        if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
            example = next(iter(self._report.columns))
            usual = "all" if field == "columns" else "the query's own order"
            raise Refused("type", f'must be a list of columns such as ["{example}"]; leave it out for {usual}')
        before = len(self._violations)
        self._violations += itertools.islice(self._problems(field, value, column_of), _MOST_WRONG)
        return tuple(value) if len(self._violations) == before else None

    def _problems(
        self, field: str, names: Sequence[str], column_of: Callable[[str], str | None]
    ) -> Iterator[Violation]:
        seen: set[str] = set()
        shown = [name for name in self._report.columns if name not in self._hidden]
        for at, name in enumerate(names):
            where, column = f"{field}[{at}]", column_of(name)
            if column is None:
                short = name[:100].encode("utf-8", "backslashreplace").decode()
                yield Violation(where, "unknown_column", f"is not a column{did_you_mean(short.lstrip('-'), shown)}")
            elif column in self._hidden:
                needed = self._report.columns[column].required_scope
                yield Violation(where, "unknown_column", f"requires the scope {needed!r}, which you do not have")
            elif column in seen:
                yield Violation(where, "repeated", "is listed twice: remove it here")
            seen.add(column or "")
