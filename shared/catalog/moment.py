"""The moment and the time zone for which words such as `yesterday` are evaluated."""

import difflib
import functools
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo, available_timezones

from shared.catalog.shape import UTC_NAME

_FOREIGN = ("posix", "right/", "local", "Factory")
"""Names that stand for a machine's own settings, or that other programs do not know."""


@functools.cache
def zone_names() -> frozenset[str]:
    """Return the names of the IANA time zone database, as far as this machine has it."""
    return frozenset(name for name in available_timezones() if not name.startswith(_FOREIGN)) | {UTC_NAME}


def zone_problem(name: str) -> str | None:
    """Say why a text does not name a time zone, and how to mend it; None if it names one."""
    if name in zone_names():
        return None
    shown = name[:60].encode("utf-8", "backslashreplace").decode()
    spelled = {one.casefold(): one for one in zone_names()}
    near = difflib.get_close_matches(shown.casefold().replace(" ", "_"), spelled, n=1)
    remedy = f"; did you mean {spelled[near[0]]!r}?" if near else ""
    return f'{shown!r} is not a time zone of the IANA database, such as "Asia/Tokyo" or "UTC"{remedy}'


def zone_of(name: str) -> ZoneInfo | None:
    """Return the zone of that name; None if this machine's database, which may be older or newer, lacks it."""
    return ZoneInfo(name) if name in zone_names() else None


class Moment(NamedTuple):
    """An instant, as the clocks of a time zone show it."""

    instant: datetime
    zone: str = UTC_NAME
    """A name of `zone_names`."""

    @classmethod
    def now(cls, zone: str = UTC_NAME) -> Self:
        """Return the current moment."""
        return cls(datetime.now(UTC), zone)

    @property
    def day(self) -> date:
        """The day on the zone's calendar."""
        return self.instant.astimezone(ZoneInfo(self.zone)).date()

    def start_of(self, day: date) -> datetime:
        """Return the first instant of a day in the zone, in UTC. Raises OverflowError outside the years 1 to 9999.

        Where clocks skip midnight, the day starts after the skip.
        """
        return datetime.combine(day, time(), ZoneInfo(self.zone)).astimezone(UTC)

    def end_of(self, day: date) -> datetime:
        """Return the last microsecond of a day in the zone, in UTC. Raises OverflowError outside
        the years 1 to 9999.
        """
        return self.start_of(day + timedelta(days=1)) - timedelta(microseconds=1)
