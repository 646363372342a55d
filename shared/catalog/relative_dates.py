"""Evaluates relative dates: `today-1d`, `monday`, `end_of_last_month`. docs/reference/catalog.md has the grammar.

The result depends only on the words, a time zone and an instant.
"""

import calendar
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta

from shared.catalog.moment import Moment
from shared.catalog.parameter import ParameterKind
from shared.catalog.values import Refused

_DAYS = tuple(name.lower() for name in calendar.day_name)
_BASES = ("now", "today", "yesterday", "tomorrow", *_DAYS)
_EDGE = "(start|end)_of_(last_|next_)?(week|month|quarter|year)"
_STEP = "[+-][0-9]{1,4}[hdwmqy]"
PATTERN = f"({'|'.join(_BASES)}|{_EDGE})({_STEP}){{0,4}}".replace("(", "(?:")
"""All relative dates, as a regular expression that every dialect understands."""

_WORDS = re.compile(f"({'|'.join(_BASES)}|{_EDGE})((?:{_STEP}){{0,4}})")
_KINDS = (ParameterKind.DATE, ParameterKind.DATETIME)
_MONTHS: Mapping[str, int] = {"m": 1, "q": 3, "y": 12, "month": 1, "quarter": 3, "year": 12}
REMEDY = 'such as "today", "today-1d", "monday" or "start_of_last_month"'


def is_relative(value: object) -> bool:
    """True for words that stand for a date."""
    return isinstance(value, str) and _WORDS.fullmatch(value) is not None


def evaluate(words: str, kind: ParameterKind, moment: Moment) -> date | datetime:
    """Return the date, or for the kind `datetime` the instant in UTC, that the words stand for at `moment`.

    As an instant, a day is its start, and `end_of_…` the last microsecond of its last day. Raises Refused.
    """
    found = _WORDS.fullmatch(words)
    if found is None or kind not in _KINDS:
        raise Refused("type", f"must be words for a date, {REMEDY}")
    base, edge, shift, period, steps = found.groups()
    if kind is ParameterKind.DATE and (base == "now" or "h" in steps):
        raise Refused("type", 'must be a day: write "today" for "now", and no hours')
    try:
        if base == "now":
            return _later(moment.instant.astimezone(UTC), steps, moment)
        day = _edge(moment.day, edge, shift, period) if edge else _day(moment.day, base)
        day, hours = _moved(day, steps)
        if kind is ParameterKind.DATE:
            return day
        start = moment.end_of(day) if edge == "end" else moment.start_of(day)
        return start + timedelta(hours=hours)
    except (OverflowError, ValueError):
        raise Refused("range", "must stand for a day of the years 1 to 9999") from None


def _day(today: date, base: str) -> date:
    if base in _DAYS:  # the latest one, which may be today
        return today - timedelta(days=(today.weekday() - _DAYS.index(base)) % 7)
    return today + timedelta(days={"yesterday": -1, "today": 0, "tomorrow": 1}[base])


def _edge(today: date, edge: str, shift: str | None, period: str) -> date:
    by = {None: 0, "last_": -1, "next_": 1}[shift]
    first = _FIRST[period](today)
    if period == "week":
        first += timedelta(weeks=by)
        return first if edge == "start" else first + timedelta(days=6)
    first = _months_later(first, by * _MONTHS[period])
    return first if edge == "start" else _months_later(first, _MONTHS[period]) - timedelta(days=1)


_FIRST: Mapping[str, Callable[[date], date]] = {
    "week": lambda day: day - timedelta(days=day.weekday()),
    "month": lambda day: day.replace(day=1),
    "quarter": lambda day: day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1),
    "year": lambda day: day.replace(month=1, day=1),
}
"""The first day of each period. Weeks begin on Monday, as in ISO 8601."""


def _months_later(day: date, months: int) -> date:
    """Return the same day of another month, or that month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise OverflowError
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _moved(day: date, steps: str) -> tuple[date, int]:
    """Return the day after all steps, in their order, and the sum of their hours."""
    hours = 0
    for number, unit in re.findall("([+-][0-9]+)([a-z])", steps):
        if unit == "h":
            hours += int(number)
        elif unit in _MONTHS:
            day = _months_later(day, int(number) * _MONTHS[unit])
        else:
            day += timedelta(days=int(number) * (7 if unit == "w" else 1))
    return day, hours


def _later(instant: datetime, steps: str, moment: Moment) -> datetime:
    """Return the same time on another day, by the zone's clocks, and then hours later."""
    day, hours = _moved(moment.day, steps)
    since_midnight = instant - moment.start_of(moment.day)
    begin = instant if day == moment.day else moment.start_of(day) + since_midnight
    return begin + timedelta(hours=hours)
