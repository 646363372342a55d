"""Which workers there are: one row per worker process, written with a slow beat.

It serves people and gauges: no job needs it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import Connection

BEAT_S = 15.0
"""Seconds between two beats of a worker whose state does not change."""
SILENT_S = 50.0
"""A worker that was not seen for this long is dead, or cut off: three lost beats and a little more."""


@dataclass(frozen=True, slots=True)
class Presence:
    """What a worker reports about itself."""

    name: str
    catalog: str
    """A text that changes with its report types or their versions."""
    report_types: Sequence[str]
    slots: int
    holding: int
    """Attempts that work now."""
    sick: str | None = None
    """Why it takes no jobs; None if it does."""


@dataclass(frozen=True, slots=True)
class Crew:
    """The workers that were seen recently, with regard to one report type."""

    alive: int
    fit: int
    """How many take jobs."""
    able: int
    """How many of these know the report type."""
    slots: int
    """The slots of the able ones together."""
    holding: int
    """Attempts that the able ones work on."""
    sick: Sequence[str]
    """Why the others take no jobs."""
    last_seen_at: datetime | None
    """When a worker was last seen; None if none is remembered."""


_BEAT = text("""
    /* workers.beat */
    INSERT INTO workers AS w (name, catalog, report_types, slots, holding, sick)
    VALUES (:name, :catalog, :report_types, :slots, :holding, :sick)
        ON CONFLICT (name) DO UPDATE
       SET seen_at = clock_timestamp(), since = CASE WHEN :new THEN clock_timestamp() ELSE w.since END,
           catalog = excluded.catalog, report_types = excluded.report_types, slots = excluded.slots,
           holding = excluded.holding, sick = excluded.sick
""")

_LEAVE = text("""
    /* workers.leave */
    DELETE FROM workers WHERE name = :name
""")

_FORGET = text("""
    /* workers.forget */
    DELETE FROM workers WHERE seen_at < clock_timestamp() - make_interval(secs => :keep_s)
""")

ABLE = """
        SELECT unnest(report_types) FROM workers
         WHERE sick IS NULL AND seen_at > clock_timestamp() - make_interval(secs => :silent_s)"""
"""An SQL fragment: the report types that at least one fit worker knows."""

_CREW = text("""
    /* workers.crew */
    SELECT count(*) AS alive, count(*) FILTER (WHERE sick IS NULL) AS fit, count(*) FILTER (WHERE able) AS able,
           coalesce(sum(slots) FILTER (WHERE able), 0) AS slots,
           coalesce(sum(holding) FILTER (WHERE able), 0) AS holding,
           coalesce(array_agg(DISTINCT sick) FILTER (WHERE sick IS NOT NULL), '{}') AS sick,
           (SELECT max(seen_at) FROM workers) AS last_seen_at
      FROM (SELECT slots, holding, sick, sick IS NULL AND :report_type = ANY (report_types) AS able
              FROM workers WHERE seen_at > clock_timestamp() - make_interval(secs => :silent_s)) AS seen
""")

_SEEN = text("""
    /* workers.seen */
    SELECT count(*) FILTER (WHERE sick IS NULL) AS fit, count(*) FILTER (WHERE sick IS NOT NULL) AS sick
      FROM workers WHERE seen_at > clock_timestamp() - make_interval(secs => :silent_s)
""")


_LIST = text("""
    /* workers.list */
    SELECT name, since, seen_at, extract(epoch FROM clock_timestamp() - seen_at)::float8 AS silent_s,
           cardinality(report_types) AS report_types, slots, holding, sick
      FROM (SELECT * FROM workers ORDER BY name LIMIT :most) AS bounded
     ORDER BY seen_at < clock_timestamp() - make_interval(secs => :silent_s), sick IS NULL, name
""")


class Seen(NamedTuple):
    """A worker, as it last described itself."""

    name: str
    since: datetime
    seen_at: datetime
    silent_s: float
    report_types: int
    """How many it knows."""
    slots: int
    holding: int
    """Attempts that it works on."""
    sick: str | None

    @property
    def gone(self) -> bool:
        """True if it is dead, or cut off."""
        return self.silent_s > SILENT_S


def beat(conn: Connection, presence: Presence, *, new: bool) -> None:
    """Record that the worker is there. `new` means that it has just started, whatever process had its name before."""
    conn.execute(
        _BEAT,
        {
            "name": presence.name,
            "catalog": presence.catalog,
            "report_types": list(presence.report_types),
            "slots": presence.slots,
            "holding": presence.holding,
            "sick": presence.sick,
            "new": new,
        },
    )


def leave(conn: Connection, name: str) -> None:
    """Record that the worker has left."""
    conn.execute(_LEAVE, {"name": name})


def forget(conn: Connection, *, keep_s: float) -> int:
    """Remove workers that were not seen for `keep_s` seconds. Returns how many."""
    return int(conn.execute(_FORGET, {"keep_s": keep_s}).rowcount)


def crew(conn: Connection, report_type: str) -> Crew:
    """Return the workers that were seen recently."""
    return Crew(*conn.execute(_CREW, {"report_type": report_type, "silent_s": SILENT_S}).one())


def seen(conn: Connection) -> tuple[int, int]:
    """Return how many recently seen workers take jobs, and how many do not."""
    fit, sick = conn.execute(_SEEN, {"silent_s": SILENT_S}).one()
    return fit, sick


def list_workers(conn: Connection, *, most: int) -> list[Seen]:
    """Return up to `most` workers of the last day: first those that run but take nothing, last those that are gone."""
    return [Seen(*row) for row in conn.execute(_LIST, {"most": most, "silent_s": SILENT_S})]
