"""Holds PostgreSQL to one way of writing values, so that they are the same text in every reading and every format.

And to the asker whom row-level security asks for, by settings that a policy can read.
"""

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql

from shared.reports import errors

AS_WRITTEN: Mapping[str, str] = {
    "TimeZone": "UTC", "DateStyle": "ISO", "IntervalStyle": "postgres", "bytea_output": "hex",
    "extra_float_digits": "1",
}  # fmt: skip
"""The settings that decide how values are written."""


def check_settings(conn: psycopg.Connection[Any], asked: Mapping[str, str]) -> None:
    """Refuse a query that has changed one of the settings: another reading of it would give other text, or rows.

    `asked` are those of `settings_of`. Raises psycopg.Error, ReportError.
    """
    expected = {**AS_WRITTEN, "client_encoding": "UTF8", **asked}
    shown = sql.SQL(", ").join(sql.SQL("current_setting({})").format(name) for name in expected)
    found = conn.execute(sql.SQL("SELECT {}").format(shown)).fetchone() or ()
    for (name, wanted), value in zip(expected.items(), found, strict=True):
        # DateStyle has the order of day and month, too: `ISO, MDY`.
        if value != wanted and (name, value.partition(",")[0]) != ("DateStyle", wanted):
            raise errors.setting_changed(name, value)
