"""How every connection to PostgreSQL notices a host that has vanished, in libpq's own settings.

Independent of SQLAlchemy, so that the sources of reports, which only use psycopg, may import it.
"""

import re
from collections.abc import Mapping

import psycopg
from psycopg.conninfo import conninfo_to_dict

CONNECT_TIMEOUT_S = 5
"""A host that does not answer within this time counts as unreachable."""

KEEPALIVE: Mapping[str, int] = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""A dead connection is noticed within 25 seconds, whether it was waiting or sending."""
_MOST_SAID = 500


WRITE_AS_XX = (
    "cannot be read as it stands: write @, /, ?, % and blanks of its user and password as %40, %2F, %3F, %25 and %20"
)
_URL = re.compile(r"[a-z+]+://([^/?]*)(.*)", re.DOTALL)
_ENCODED = re.compile(r"(?:[^%\s]|%[0-9A-Fa-f]{2})*")


def may_show_its_password(conninfo: str) -> bool:
    """True if libpq takes a part of the URL's password for something else, so that its errors may quote it.

    It does so with `@`, `/`, `?`, `%` and blanks that are not written as %XX (libpq 18, fe-connect.c, read 2026-11-30).
    """
    if (parts := _URL.fullmatch(conninfo)) is not None:
        authority, beyond = parts.groups()
        return authority.count("@") > 1 or "@" in beyond or _ENCODED.fullmatch(conninfo) is None
    try:
        conninfo_to_dict(conninfo)
    except psycopg.Error:
        return True
    return False


def said_of(conninfo: str, error: object) -> str:
    """Return libpq's message about a connection, on one line: it names host, port, user and database, never the
    password.
    """
    return f"its URL {WRITE_AS_XX}" if may_show_its_password(conninfo) else " ".join(str(error).split())[:_MOST_SAID]


def written(parameters: Mapping[str, object]) -> str:
    """Return the connection string with these parameters; those that are None are left out."""
    return " ".join(f"{name}={_quoted(str(value))}" for name, value in parameters.items() if value is not None)


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
