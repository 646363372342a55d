"""Database roles with the rights of a deployment, one per service, for tests that run under them."""

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from migrations import grants

_PASSWORD = "role-canary"


def service_urls(database_url: str) -> dict[str, str]:
    """Return service → the same database, as a role with exactly the rights of its service."""
    roles = {service: f"test_{service}" for service in grants.SERVICES}
    with psycopg.connect(database_url, autocommit=True) as conn:
        for role in roles.values():
            # Roles belong to the server, which other tests share.
            if not conn.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                conn.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), _PASSWORD))
    grants.grant(database_url, roles)
    url = make_url(database_url)
    return {
        service: url.set(username=role, password=_PASSWORD).render_as_string(hide_password=False)
        for service, role in roles.items()
    }
