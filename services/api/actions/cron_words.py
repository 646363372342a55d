"""When a schedule is due, in words: English and Japanese."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

from babel.dates import get_day_names, get_month_names
from cronsim import CronSim

from shared.schedules.timing import Timing

LANGUAGES = ("en", "ja")
_MOST_TIMES = 4
"""How many times of a day are listed one by one."""
_SECONDS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
_ALL_MINUTES, _ALL_HOURS, _ALL_MONTHS, _WORKDAYS = set(range(60)), set(range(24)), set(range(1, 13)), {1, 2, 3, 4, 5}


def in_words(timing: Timing, language: str) -> str:
    """Say when a schedule is due, for example `at 07:00 on Mondays`. The time zone is not named."""
    words: _Words = _Japanese() if language == "ja" else _English()
    if timing.every_s is not None:
        size, unit = next((size, unit) for size, unit in _SECONDS if timing.every_s % size == 0)
        return words.every(timing.every_s // size, unit)
    cron = CronSim(timing.cron or "", datetime(2000, 1, 1, tzinfo=UTC))
    _, minute, hour, day, _, weekday = cron.parts
    return words.sentence(
        _time(words, minute, hour, cron.minutes, cron.hours),
        _days(words, cron, any_day=day == "*", any_weekday=weekday == "*"),
        None if cron.months == _ALL_MONTHS else words.months(sorted(cron.months)),
    )


class _Words(Protocol):
    """The words of one language."""

    def every(self, many: int, unit: str) -> str: ...
    def times(self, times: Sequence[str]) -> str: ...
    def minutes_of_hours(self, minutes: str, hours: str | None) -> str: ...
    def minutes(self, minutes: Sequence[int]) -> str: ...
    def hours(self, hours: Sequence[int]) -> str: ...
    def weekdays(self, days: Sequence[int]) -> str: ...
    def workdays(self) -> str: ...
    def nth(self, day: int, nth: int | None) -> str: ...
    def days_of_month(self, days: Sequence[int]) -> str: ...
    def last_day(self, *, workday: bool) -> str: ...
    def months(self, months: Sequence[int]) -> str: ...
    def either(self, days: Sequence[str]) -> str: ...
    def both(self, day: str, weekday: str) -> str: ...
    def every_day(self) -> str: ...
    def sentence(self, time: str, days: str | None, months: str | None) -> str: ...


def _time(words: _Words, minute: str, hour: str, minutes: set[int], hours: set[int]) -> str:
    if hours != _ALL_HOURS and len(minutes) * len(hours) <= _MOST_TIMES:
        return words.times([f"{h:02}:{m:02}" for h in sorted(hours) for m in sorted(minutes)])
    step = minute.removeprefix("*/")
    if minutes == _ALL_MINUTES or (minute.startswith("*/") and 60 % int(step) == 0):
        told = words.every(1 if minutes == _ALL_MINUTES else int(step), "minute")
    else:
        told = words.minutes(sorted(minutes))
    return words.minutes_of_hours(told, None if hours == _ALL_HOURS else _hours(words, hour, hours))


def _hours(words: _Words, hour: str, hours: set[int]) -> str:
    step = hour.removeprefix("*/")
    if hour.startswith("*/") and 24 % int(step) == 0:
        return words.every(int(step), "hour")
    return words.hours(sorted(hours))


def _days(words: _Words, cron: CronSim, *, any_day: bool, any_weekday: bool) -> str | None:
    day = None if any_day else words.either(_days_of_month(words, cron.days))
    weekday = None if any_weekday else words.either(_weekdays(words, cron.weekdays))
    if day is None or weekday is None:
        return day or weekday
    return words.both(day, weekday) if cron.day_and else words.either([day, weekday])


def _days_of_month(words: _Words, days: set[int]) -> list[str]:
    plain = sorted(day for day in days if day > 0)
    told = [words.days_of_month(plain)] if plain else []
    told += [words.last_day(workday=False)] if CronSim.LAST in days else []
    return told + ([words.last_day(workday=True)] if CronSim.LAST_WEEKDAY in days else [])


def _weekdays(words: _Words, days: "set[int | tuple[int, int]]") -> list[str]:
    plain = {day % 7 for day in days if isinstance(day, int)}
    told: list[str] = []
    if plain:
        named = words.workdays() if plain == _WORKDAYS else words.weekdays(sorted(plain, key=lambda day: day or 7))
        told.append(named)
    nth = sorted(day for day in days if not isinstance(day, int))
    return told + [words.nth(day % 7, None if which == CronSim.LAST else which) for day, which in nth]


def _runs(numbers: Sequence[int], one: Callable[[int], str], several: Callable[[int, int], str]) -> list[str]:
    """List the numbers one by one, and three or more consecutive ones as a range."""
    told: list[str] = []
    start = 0
    for end in range(1, len(numbers) + 1):
        if end < len(numbers) and numbers[end] == numbers[end - 1] + 1:
            continue
        run = numbers[start:end]
        told += [several(run[0], run[-1])] if len(run) > 2 else [one(n) for n in run]
        start = end
    return told


def _day_name(language: str, day: int) -> str:
    """Name the day that has this number in cron: Sunday is 0."""
    return str(get_day_names("wide", locale=language)[(day - 1) % 7])


class _English:
    def every(self, many: int, unit: str) -> str:
        return f"every {unit}" if many == 1 else f"every {many} {unit}s"

    def times(self, times: Sequence[str]) -> str:
        return f"at {self._list(times)}"

    def minutes_of_hours(self, minutes: str, hours: str | None) -> str:
        if hours is None:
            return minutes if minutes.startswith("every") else f"{minutes} of every hour"
        return f"{minutes}, {hours}" if hours.startswith("every") else f"{minutes} {hours}"

    def minutes(self, minutes: Sequence[int]) -> str:
        noun = "minute" if len(minutes) == 1 else "minutes"
        return f"at {noun} {self._list([str(m) for m in minutes])}"

    def hours(self, hours: Sequence[int]) -> str:
        told = _runs(hours, lambda h: f"from {h:02}:00 to {h:02}:59", lambda a, b: f"from {a:02}:00 to {b:02}:59")
        return self._list(told)

    def weekdays(self, days: Sequence[int]) -> str:
        return f"on {self._list([_day_name('en', day) + 's' for day in days])}"

    def workdays(self) -> str:
        return "from Monday to Friday"

    def nth(self, day: int, nth: int | None) -> str:
        which = "last" if nth is None else ("first", "second", "third", "fourth", "fifth")[nth - 1]
        return f"on the {which} {_day_name('en', day)} of the month"

    def days_of_month(self, days: Sequence[int]) -> str:
        told = _runs(days, str, lambda a, b: f"{a} to {b}")
        return f"on {'day' if len(days) == 1 else 'days'} {self._list(told)} of the month"

    def last_day(self, *, workday: bool) -> str:
        return "on the last day from Monday to Friday of the month" if workday else "on the last day of the month"

    def months(self, months: Sequence[int]) -> str:
        names = get_month_names("wide", locale="en")
        told = _runs(months, lambda m: names[m], lambda a, b: f"{names[a]} to {names[b]}")
        return f"{'from' if len(told) == 1 and len(months) > 1 else 'in'} {self._list(told)}"

    def either(self, days: Sequence[str]) -> str:
        return self._list(days)

    def both(self, day: str, weekday: str) -> str:
        return f"{day}, if it is also {weekday}"

    def every_day(self) -> str:
        return "every day"

    def sentence(self, time: str, days: str | None, months: str | None) -> str:
        if days is None and time.startswith("at ") and "of every hour" not in time:
            days = self.every_day()
        return " ".join(part for part in (time, days, months) if part)

    @staticmethod
    def _list(items: Sequence[str]) -> str:
        return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


class _Japanese:
    _UNITS: Mapping[str, tuple[str, str]] = {
        "day": ("毎日", "日"), "hour": ("毎時", "時間"), "minute": ("毎分", "分"), "second": ("毎秒", "秒"),
    }  # fmt: skip

    def every(self, many: int, unit: str) -> str:
        each, several = self._UNITS[unit]
        return each if many == 1 else f"{many}{several}ごと"

    def times(self, times: Sequence[str]) -> str:
        return "、".join(times)

    def minutes_of_hours(self, minutes: str, hours: str | None) -> str:
        if hours is None:
            return minutes if "ごと" in minutes or minutes == "毎分" else f"毎時{minutes}"
        return f"{hours}の{minutes}" if "ごと" in hours else f"{hours}に{minutes}"

    def minutes(self, minutes: Sequence[int]) -> str:
        return "、".join(f"{m}分" for m in minutes)

    def hours(self, hours: Sequence[int]) -> str:
        return "、".join(_runs(hours, lambda h: f"{h}時台", lambda a, b: f"{a:02}:00〜{b:02}:59"))

    def weekdays(self, days: Sequence[int]) -> str:
        return f"毎週{'・'.join(_day_name('ja', day) for day in days)}"

    def workdays(self) -> str:
        return "平日(月〜金)"

    def nth(self, day: int, nth: int | None) -> str:
        return f"毎月{'最終' if nth is None else f'第{nth}'}{_day_name('ja', day)}"

    def days_of_month(self, days: Sequence[int]) -> str:
        return f"毎月{'・'.join(_runs(days, lambda d: f'{d}日', lambda a, b: f'{a}〜{b}日'))}"

    def last_day(self, *, workday: bool) -> str:
        return "毎月最後の平日" if workday else "毎月末日"

    def months(self, months: Sequence[int]) -> str:
        return "・".join(_runs(months, lambda m: f"{m}月", lambda a, b: f"{a}〜{b}月"))

    def either(self, days: Sequence[str]) -> str:
        return "と".join(days)

    def both(self, day: str, weekday: str) -> str:
        return f"{day}のうち{weekday.removeprefix('毎週')}"

    def every_day(self) -> str:
        return "毎日"

    def sentence(self, time: str, days: str | None, months: str | None) -> str:
        often = "ごと" in time or time.startswith("毎")
        when = days or ("" if often else self.every_day())
        if months:
            day = when.removeprefix("毎月")
            when = f"{months}{'' if day != when and day[0].isdecimal() else 'の'}{day}"
        joiner = "の" if when and not when.endswith(("毎日", "の")) else ""
        return f"{when}{joiner}{time}"
