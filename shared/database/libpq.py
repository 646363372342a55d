"""How every connection to PostgreSQL notices a host that has vanished, in libpq's own words.

Free of SQLAlchemy, so that the sources of reports, which speak psycopg alone, may import it.
"""

from collections.abc import Mapping

CONNECT_TIMEOUT_S = 5
"""A host that does not answer within this is away."""

KEEPALIVE: Mapping[str, int] = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""A dead connection is noticed within 25 seconds, whether it was waiting or sending."""


def written(parameters: Mapping[str, object]) -> str:
    """Return the connection string with these parameters; those that are None are left out."""
    return " ".join(f"{name}={_quoted(str(value))}" for name, value in parameters.items() if value is not None)


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
