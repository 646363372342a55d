"""What PostgreSQL requires of the user who grants rights: to own the tables, and to administer the roles whose sessions
are limited.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg.errors import InsufficientPrivilege
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import ProgrammingError

from shared.database.engine import SESSION_BOUNDS
from shared.errors import TodokeError


class TablesNotOurs(TodokeError):
    """The granting user does not own the tables; the message has the remedy."""


class RoleNotOurs(TodokeError):
    """The granting user may not set the limits of a role; the message has the remedy."""


_OWNER = text("""
    /* granting.owner */
    SELECT quote_ident(current_user), pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass('jobs')
""")

_BOUNDS = text("""
    /* granting.bounds */
    SELECT unnest(setconfig) FROM pg_db_role_setting
     WHERE setrole = (SELECT oid FROM pg_roles WHERE rolname = :role)
       AND setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
""")


@contextmanager
def by_the_owner(conn: Connection) -> Iterator[None]:
    """Raise TablesNotOurs if PostgreSQL refuses a grant."""
    user, owner = conn.execute(_OWNER).one_or_none() or ("", "")
    try:
        yield
    except ProgrammingError as error:
        if not isinstance(error.orig, InsufficientPrivilege):
            raise
        why = str(error.orig).splitlines()[0]
        raise TablesNotOurs(
            f"{user} may not grant ({why}): connect as {owner}, which owns the tables. Nothing was granted"
        ) from None


def set_bounds(conn: Connection, role: str) -> None:
    """Limit the role's sessions in this database, which also works behind a pooler, unless they are limited already.
    Raises RoleNotOurs.
    """
    there = {setting.lower() for setting in conn.execute(_BOUNDS, {"role": role}).scalars()}
    missing = [name for name, value in SESSION_BOUNDS.items() if f"{name}={value}".lower() not in there]
    user, database = conn.execute(text("SELECT quote_ident(current_user), quote_ident(current_database())")).one()
    quoted = conn.dialect.identifier_preparer.quote_identifier(role)
    statements = [f"ALTER ROLE {quoted} IN DATABASE {database} SET {n} = '{SESSION_BOUNDS[n]}'" for n in missing]
    try:
        for one in statements:
            conn.execute(text(one))
    except ProgrammingError as error:
        if not isinstance(error.orig, InsufficientPrivilege):
            raise
        raise RoleNotOurs(
            f"{user} may not set the bounds of sessions of {role}. Let whoever made the roles run: "
            f"ALTER ROLE {user} CREATEROLE; GRANT {quoted} TO {user} WITH ADMIN OPTION; "
            f"or, instead of that: {'; '.join(statements)}; then grant again. Nothing was granted"
        ) from None
