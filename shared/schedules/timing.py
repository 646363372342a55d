"""When a schedule is due: by cron in a time zone, or every so many seconds.

Rules for clock changes, for a cron expression that names its minute and its hour: a time that does not exist runs once,
at the next one that does; a time that occurs twice runs once, the first time. An expression whose minute or hour begins
with a star runs by elapsed time instead, as in Debian's cron(8).
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

from cronsim import CronSim, CronSimError

from shared.catalog.moment import zone_of

MOST_CHARACTERS = 100
"""Length of a cron expression: every minute of an hour fits in the field of minutes twice."""
LEAST_EVERY_S = 60
MOST_EVERY_S = 366 * 86_400
MOST_JITTER_S = 3_600
_LOOKS_BACK = tuple(timedelta(days=days) for days in (1 / 24, 1, 31, 366, 5 * 366))
"""How far `latest` looks back for ticks: only as far as needed, so that a schedule that runs every minute costs 60
steps, not a year's."""
_SOME_DAY = datetime(2000, 1, 1, tzinfo=UTC)
"""In a year that has every day."""
_FIELDS = {
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day of the month": "1 to 31, L for the last one, LW for the last one from Monday to Friday",
    "month": "1 to 12, JAN to DEC",
    "day of the week": "0 to 7 (0 and 7 are Sundays), SUN to SAT, MON#1 for the first Monday, 5L for the last Friday",
}
"""The fields of an expression, and what each may name."""
_SHORT = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
"""Values for which crontab(5) has short names."""


class Timing(NamedTuple):
    """When something is due. Exactly one of `cron` and `every_s` is given."""

    cron: str | None
    every_s: int | None
    zone: str
    """The IANA name of the zone whose clocks a cron expression refers to."""
    begins_at: datetime
    """No tick is before it; `every_s` counts from here."""
    until: datetime | None = None
    """No tick is after it."""
    jitter_s: int = 0
    """A tick's job may be submitted up to so many seconds later, so that not everything runs at the full hour."""

    def ticks(self, after: datetime) -> Iterator[datetime]:
        """Yield the moments at which it is due, in UTC, each later than `after` and than the one before.

        There are none for a cron expression in a zone that this machine does not know.
        """
        for tick in self._ticks(max(after, self.begins_at - timedelta(microseconds=1))):
            if self.until is not None and tick > self.until:
                return
            yield tick

    def next_tick(self, after: datetime) -> datetime | None:
        """Return the first tick after that moment; None if there are no more."""
        return next(self.ticks(after), None)

    def names(self, moment: datetime) -> bool:
        """True if it is due exactly then."""
        return self.next_tick(moment - timedelta(microseconds=1)) == moment

    def between(self, begin: datetime, end: datetime) -> Iterator[datetime]:
        """Yield the ticks from `begin`, included, to `end`, excluded, even before the schedule was created."""
        begins_at = self.begins_at
        if begin < begins_at:
            every = timedelta(seconds=self.every_s or 1)
            begins_at -= -((begin - begins_at) // every) * every
        whole = self._replace(begins_at=begins_at, until=None)
        return _until(whole.ticks(begin - timedelta(microseconds=1)), end - timedelta(microseconds=1))

    def latest(self, since: datetime, now: datetime, most: int) -> list[datetime]:
        """Return the last ticks from `since` to `now`, both included: up to `most`, oldest first."""
        just_before = since - timedelta(microseconds=1)
        found: list[datetime] = []
        for back in _LOOKS_BACK:
            begin = max(just_before, now - back)
            found = list(_until(self.ticks(begin), now))
            if len(found) >= most or begin == just_before:
                break
        return found[-most:]

    def due_at(self, schedule_id: UUID, tick: datetime) -> datetime:
        """Return when the tick's job is submitted: at the tick, or later by an amount that depends on schedule and
        tick.
        """
        if not self.jitter_s:
            return tick
        drawn = hashlib.sha256(schedule_id.bytes + tick.isoformat().encode()).digest()
        return tick + timedelta(seconds=int.from_bytes(drawn[:4]) % (self.jitter_s + 1))

    def remark(self, tick: datetime) -> Literal["moved", "first_of_two"] | None:
        """Say what the zone's clocks do at the tick, if they change just then; None for nothing."""
        if self.cron is None or (zone := zone_of(self.zone)) is None:
            return None
        local = tick.astimezone(zone)
        named = CronSim(self.cron, _SOME_DAY)
        if local.minute not in named.minutes or local.hour not in named.hours:
            return "moved"
        return "first_of_two" if local.fold == 0 and local.replace(fold=1).utcoffset() != local.utcoffset() else None

    def _ticks(self, after: datetime) -> Iterator[datetime]:
        if self.every_s is not None:
            every = timedelta(seconds=self.every_s)
            tick = self.begins_at + max(0, (after - self.begins_at) // every + 1) * every
            while True:
                yield tick
                tick += every
        if (zone := zone_of(self.zone)) is None:
            return
        last = after
        for local in CronSim(self.cron or "", after.astimezone(zone)):
            # Two times that do not exist are both replaced by the one that does; one that occurs twice is already
            # past.
            if (tick := local.astimezone(UTC)) > last:
                yield tick
                last = tick


def cron_problem(text: str) -> str | None:
    """Say why the text is not a cron expression that is ever due, and how to mend it; None if it is one."""
    fields = text.split()
    if len(text) > MOST_CHARACTERS:
        return f"must have at most {MOST_CHARACTERS} characters"
    if meant := _SHORT.get(text.strip().lower()):
        return f'must have five fields: write "{meant}"'
    if len(fields) != len(_FIELDS):
        return f'must have five fields ({", ".join(_FIELDS)}), not {len(fields)}: "0 7 * * MON" is Mondays at 07:00'
    try:
        first = next(CronSim(text, _SOME_DAY), None)
    except CronSimError:
        return next(_wrong_fields(fields), "names a day that never comes")
    return None if first else "names a day that never comes"


def _wrong_fields(fields: list[str]) -> Iterator[str]:
    """Yield what is wrong with each field that is invalid on its own."""
    for at, ((name, may_be), given) in enumerate(zip(_FIELDS.items(), fields, strict=True)):
        alone = ["*"] * len(fields)
        alone[at] = given
        try:
            CronSim(" ".join(alone), _SOME_DAY)
        except CronSimError:
            yield f"has a wrong {name}, {given!r}: there are {may_be}; lists (1,2), ranges (1-5) and steps (*/2)"


def _until(ticks: Iterator[datetime], end: datetime) -> Iterator[datetime]:
    for tick in ticks:
        if tick > end:
            return
        yield tick
