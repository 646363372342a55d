"""Makes PostgreSQL write values in one way, so that they are the same text in every reading and every format.

It also sets the requester, for row-level security policies that read these settings.
"""

from collections.abc import Mapping

from shared.reports import source_errors
from shared.reports.sources.session import Session

AS_WRITTEN: Mapping[str, str] = {
    "TimeZone": "UTC", "DateStyle": "ISO", "IntervalStyle": "postgres", "bytea_output": "hex",
    "extra_float_digits": "1",
}  # fmt: skip
"""The settings that decide how values are written. A request may use another time zone."""


def check_settings(session: Session, asked: Mapping[str, str]) -> None:
    """Refuse a query that has changed one of the settings: another reading of it would return other text, or other
    rows.

    `asked` are those of `settings_of`, and the time zone. Raises psycopg.Error, ReportError.
    """
    expected = {**AS_WRITTEN, "client_encoding": "UTF8", **asked}
    shown = ", ".join(f"current_setting('{name}')" for name in expected)
    [found] = session.ask(f"SELECT {shown}".encode())
    for at, (name, wanted) in enumerate(expected.items()):
        value = (found.get_value(0, at) or b"").decode()
        # DateStyle includes the order of day and month: `ISO, MDY`.
        if value != wanted and (name, value.partition(",")[0]) != ("DateStyle", wanted):
            raise source_errors.setting_changed(name, value)
