"""Checks whether a source of rows answers, and whether its role may do more than read."""

import contextlib
import sqlite3
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import psycopg

from shared.catalog.mariadb_url import MariaDbUrl
from shared.catalog.source_urls import sqlite_uri
from shared.database.libpq import said_of

_CONNECT_TIMEOUT_S = 5
_ROLE = """
    SELECT current_user::text, rolsuper, EXISTS (
           SELECT FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace
              AND has_table_privilege(oid, 'INSERT, UPDATE, DELETE, TRUNCATE'))
      FROM pg_roles WHERE rolname = current_user
"""


def problem_of(url: str) -> str | None:
    """Return what keeps queries from reading this source; None if it answers, or if that cannot be determined."""
    if is_postgres(url):
        try:
            _role(url)
        except (psycopg.Error, ValueError) as error:
            return said_of(url, error)
    elif url.startswith("file:") and not (folder := Path(url2pathname(urlsplit(url).path))).is_dir():
        return f"{folder} is not a folder"
    elif url.startswith("sqlite:"):
        return _sqlite_problem(url)
    elif url.startswith("mariadb:"):
        return _mariadb_problem(url)
    return None


def rights_of(url: str) -> str | None:
    """Return what the source's role may do beyond reading; None for nothing. Raises psycopg.Error."""
    role, is_superuser, may_write = _role(url)
    if is_superuser:
        return f"{role} is a superuser"
    return f"{role} may write to tables" if may_write else None


def is_postgres(url: str) -> bool:
    """True if the URL leads to PostgreSQL."""
    return "://" not in url or urlsplit(url).scheme in {"postgresql", "postgres"}


def _mariadb_problem(url: str) -> str | None:
    try:
        import pymysql

        from shared.reports.sources import mariadb
    except ModuleNotFoundError:
        return "its driver is not installed: pip install 'todoke-server[mariadb]'"
    try:
        mariadb.connect(MariaDbUrl.of(url), read_timeout_s=_CONNECT_TIMEOUT_S).close()
    except (pymysql.MySQLError, OSError, ValueError) as error:
        return str(error.args[-1])  # neither the driver nor the server mentions the password
    return None


def _sqlite_problem(url: str) -> str | None:
    try:
        with contextlib.closing(sqlite3.connect(sqlite_uri(url), uri=True, timeout=_CONNECT_TIMEOUT_S)) as file:
            file.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except (sqlite3.Error, ValueError) as error:
        return str(error)
    return None


def _role(url: str) -> tuple[str, bool, bool]:
    with psycopg.connect(url, connect_timeout=_CONNECT_TIMEOUT_S) as conn:
        conn.execute("SET LOCAL statement_timeout = '5s'")  # a pooler accepts no start-up options
        found = conn.execute(_ROLE).fetchone()
    if found is None:
        raise ValueError("the role is not in pg_roles")
    return found[0], found[1], found[2]
