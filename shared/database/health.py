"""Checks whether the database is usable: it answers, accepts writes, has been migrated, and bounds our sessions."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from shared.database.engine import DIRECT
from shared.database.unavailable import DatabaseUnavailable

_CHECK = """
    /* database.check */
    SELECT to_regclass('api_keys') IS NOT NULL,
           NOT EXISTS (SELECT FROM unnest(ARRAY['idle_in_transaction_session_timeout', 'statement_timeout']) AS name
                        WHERE current_setting(name) = '0'),
           current_setting('transaction_read_only') = 'off',
           (current_setting(:direct, true) = 'on') IS TRUE
"""
_SAY_POOLER = (
    "set DATABASE_POOLER=transaction and run `todoke-server migrate grant` for this role, or connect to PostgreSQL "
    "itself"
)


def check_database(engine: Engine) -> None:
    """Return if the database answers, is writable, has been migrated and bounds our sessions.

    Otherwise raises DatabaseUnavailable. Behind an undeclared pooler the check fails, because sessions there are not
    ours.
    """
    migrated, bounded, writable, direct = _answer(engine, _CHECK, direct=DIRECT)
    if not writable:
        # Perhaps only this session is read-only, because the database was when it began: open a new one.
        engine.dispose()
        migrated, bounded, writable, direct = _answer(engine, _CHECK, direct=DIRECT)
    if engine.get_execution_options().get(DIRECT) and not direct:
        # Statements that a driver prepares there are those of other clients, too.
        raise DatabaseUnavailable(f"a pooler drops the options that our sessions start with: {_SAY_POOLER}")
    if not writable:
        raise DatabaseUnavailable(
            "the database is read-only (transaction_read_only = on): DATABASE_URL leads to a standby, or "
            "default_transaction_read_only is set"
        )
    if not migrated:
        raise DatabaseUnavailable("the schema is missing: run `todoke-server migrate upgrade`")
    if not bounded:
        raise DatabaseUnavailable(
            "the role's sessions have no timeouts, and the pooler does not pass ours on to PostgreSQL: "
            "run `todoke-server migrate grant` for this role, and let the pooler connect anew (PgBouncer: RECONNECT)"
        )


def check_database_answers(engine: Engine) -> None:
    """Return if the database answers, migrated or not; else raise DatabaseUnavailable."""
    _answer(engine, "/* database.check_answers */ SELECT true")


def _answer(engine: Engine, question: str, **asked: str) -> Sequence[Any]:
    try:
        with engine.connect() as conn:
            return conn.execute(sa.text(question), asked).one()
    except (DBAPIError, sa.exc.TimeoutError) as error:
        reason = str(getattr(error, "orig", None) or error).strip()
        raise DatabaseUnavailable(_told(reason)) from None


def _told(reason: str) -> str:
    """Choose the wording: a server that is unreachable, and one that refuses, need different remedies."""
    first_line = reason.partition("\n")[0]
    if "authentication failed" in reason or "no password supplied" in reason:
        return f"PostgreSQL refuses the login: {first_line}: check user and password in DATABASE_URL"
    if "unsupported startup parameter" in reason:
        return f"PostgreSQL is behind a pooler, which refuses the connection: {first_line}: {_SAY_POOLER}"
    if "FATAL:" in reason:
        return f"PostgreSQL refuses the connection: {first_line}"
    return f"PostgreSQL does not answer: {first_line}"
