"""The latest measurements of the relays: the state of the whole system, for readers who do not query every table.

One row per subject. Relays write the same numbers that they show as metrics, so a page and an alert never disagree.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared import json_text
from shared.stored import member


class Subject(StrEnum):
    """What is measured."""

    DATABASE = "database"
    """Outbox, jobs, workers: what the database knows."""
    QUEUE = "queue"
    """What the queue service reports."""
    DEAD_LETTERS = "dead_letters"
    """The last look into the dead-letter queue."""
    STORE = "store"
    """The last walk over the artifact store."""


class Measured(NamedTuple):
    """One reading."""

    at: datetime
    age_s: float
    """By the database's clock."""
    facts: Mapping[str, Any]


# Every relay measures the same; one row every few seconds is enough, however many relays there are.
_WRITE = text("""
    /* measurements.write */
    INSERT INTO measurements AS m (subject, facts) VALUES (:subject, CAST(:facts AS jsonb))
        ON CONFLICT (subject) DO UPDATE SET facts = excluded.facts, at = excluded.at
     WHERE m.at < clock_timestamp() - make_interval(secs => :fresh_s)
""")

_READ = text("""
    /* measurements.read */
    SELECT subject, at, extract(epoch FROM clock_timestamp() - at)::float8 AS age_s, facts FROM measurements
""")


def write(conn: Connection, subject: Subject, facts: Mapping[str, Any], *, fresh_s: float = 5.0) -> None:
    """Store the measurement, unless another relay has done so within `fresh_s` seconds."""
    conn.execute(_WRITE, {"subject": subject, "facts": json_text.write(facts), "fresh_s": fresh_s})


def read(conn: Connection) -> Mapping[Subject, Measured]:
    """Return the latest measurement of each subject that was ever measured."""
    return {member(Subject, row.subject): Measured(row.at, row.age_s, row.facts) for row in conn.execute(_READ)}
