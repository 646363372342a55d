"""How values look on a page, in the reader's language.

Times are written in UTC here; a script converts them to the reader's zone.
"""

import json
from datetime import UTC, date, datetime

from babel import Locale
from babel.dates import format_date, format_datetime, format_skeleton, format_timedelta
from babel.numbers import NumberPattern, format_decimal, format_percent, parse_pattern
from markupsafe import Markup

from services.api.console.texts import Texts
from shared.catalog.moment import zone_of

_KILO = 1000
_UNITS = ("B", "kB", "MB", "GB", "TB")
_LONGEST_VALUE = 80
_LENGTHS = {"ja": ("秒", "分", "時間")}
# Parsed only once: a list of a hundred rows has a thousand figures, and Babel would parse a pattern for each.
_TWO, _ONE, _WHOLE, _AT_MOST_ONE = map(parse_pattern, ("0.00", "0.0", "#,##0", "#,##0.#"))
_USUAL_LENGTHS = ("s", "min", "h")


class Shown:
    """Writes values in the way of one language."""

    def __init__(self, locale: Locale) -> None:
        self._locale = locale

    def number(self, value: float) -> str:
        """Return for example `1,048,576`."""
        return format_decimal(value, locale=self._locale)

    def _figure(self, value: float, pattern: NumberPattern) -> str:
        return str(pattern.apply(value, self._locale))

    def percent(self, value: float) -> str:
        """Return `37%` for 37.2."""
        return format_percent(value / 100, locale=self._locale)

    def size(self, size_bytes: int) -> str:
        """Return for example `1.2 MB`, with 1,000,000 bytes per MB."""
        value, unit = float(size_bytes), 0
        while value >= _KILO and unit < len(_UNITS) - 1:
            value, unit = value / _KILO, unit + 1
        return f"{self._figure(value, _AT_MOST_ONE if unit else _WHOLE)} {_UNITS[unit]}"

    def when(self, moment: datetime) -> str:
        """Return date and time in UTC, with the zone's name."""
        return format_datetime(moment.astimezone(UTC), "medium", locale=self._locale) + " UTC"

    def clock(self, moment: datetime, zone: str) -> str:
        """Return weekday, date and time by the clocks of a zone, without its name; for an unknown zone in UTC, with its
        name.
        """
        if (known := zone_of(zone)) is None:
            return self.when(moment)
        local = moment.astimezone(known)
        return f"{format_skeleton('yMMMEd', local, locale=self._locale)} {local:%H:%M}"

    def date(self, value: date, zone: str) -> str:
        """Return a day; for an instant, day and time by the clocks of the zone."""
        return self.clock(value, zone) if isinstance(value, datetime) else format_date(value, locale=self._locale)

    def ago(self, moment: datetime) -> str:
        """Return for example `3 minutes ago` or `in 2 days`."""
        return format_timedelta(moment - datetime.now(UTC), add_direction=True, locale=self._locale)

    def took(self, seconds: float) -> str:
        """Return for example `0.84 s`, `12.3 s`, `3 min 05 s`, `2 h 10 min`; `3 分 05 秒`."""
        seconds = max(0.0, seconds)
        s, m, h = _LENGTHS.get(self._locale.language, _USUAL_LENGTHS)
        if seconds < 60:
            return f"{self._figure(seconds, _TWO if seconds < 10 else _ONE)} {s}"
        minutes, rest = divmod(round(seconds), 60)
        if minutes < 60:
            return f"{minutes} {m} {rest:02} {s}"
        return f"{minutes // 60} {h} {minutes % 60:02} {m}"

    def fact(self, value: object) -> str:
        """Return a fact of a reason in the reader's format; scripts convert its moments to the reader's zone."""
        if isinstance(value, datetime):
            return Markup('<time datetime="{}">{}</time>').format(value.isoformat(), self.when(value))
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self.number(value)
        return "?" if value is None else self.value(value)

    def told(self, value: object, texts: Texts) -> str:
        """Return the same as `value`, with yes and no as words."""
        return texts(f"value.{str(value).lower()}") if isinstance(value, bool) else self.value(value)

    def value(self, value: object) -> str:
        """Return a parameter on one line: texts bare, lists with commas, everything else as JSON;
        long ones shortened.
        """
        if isinstance(value, str):
            text = value
        elif isinstance(value, list):
            text = ", ".join(self.value(one) for one in value)
        else:
            text = json.dumps(value, ensure_ascii=False, default=str)
        return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
