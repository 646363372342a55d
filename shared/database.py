"""The door to PostgreSQL: how connections are made, named, bounded and measured."""

import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from shared import json_text
from shared.errors import TodokeError

CONNECT_TIMEOUT_S = 5
"""A host that does not answer within this is away."""

SESSION_BOUNDS = {
    # A frozen process must not hold row locks for ever: SKIP LOCKED would pass its rows by.
    "idle_in_transaction_session_timeout": "30s",
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "timezone": "UTC",
}
"""What holds in every session of a service: asked for at connecting, and kept by its role (`migrations grant`)."""
_KEEPALIVE = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


class DatabaseUnavailable(TodokeError):
    """PostgreSQL did not answer. Nothing is known to be written; try again later."""


def create_engine(
    database_url: str, *, application_name: str, pool_size: int = 5, through_pooler: bool = False
) -> Engine:
    """An engine whose every connection is named, bounded in time, and fails fast when the host is away.

    Every statement is its own transaction, as nearly all of ours are: one round trip, nothing left open behind it.
    Whoever needs more asks for it by `transactional`.

    `database_url` may begin with postgresql:// or postgres://, and name several hosts as libpq does
    (`host1:5432,host2:5432`); other libpq parameters in it are kept. `through_pooler`: one that gives a transaction
    whichever connection is free keeps no start-up options and no prepared statements; `check` then sees that the
    role has the bounds.
    """
    return sa.create_engine(**engine_arguments(database_url, application_name, pool_size, through_pooler))


def engine_arguments(database_url: str, application_name: str, pool_size: int, through_pooler: bool) -> dict[str, Any]:
    """What makes such an engine, for `create_engine` or `create_async_engine` of SQLAlchemy."""
    url = _url(database_url)
    connect_args: dict[str, Any] = {
        "application_name": application_name,
        "connect_timeout": CONNECT_TIMEOUT_S,
        **_KEEPALIVE,
    }
    if through_pooler:
        connect_args["prepare_threshold"] = None
    else:
        connect_args["options"] = " ".join(f"-c {name}={value}" for name, value in SESSION_BOUNDS.items())
    return {
        "url": url,
        "connect_args": {k: v for k, v in connect_args.items() if k not in url.query},
        "pool_size": pool_size,
        "max_overflow": 0,
        "pool_timeout": 10,
        "pool_recycle": 1800,
        # Here and not as an option of each connection taken from the pool, which would switch it over and back
        # each time.
        "isolation_level": "AUTOCOMMIT",
        "skip_autocommit_rollback": True,
        "json_deserializer": json_text.read,
        "use_native_hstore": False,  # or every new connection would ask, in a transaction, whether there is such a type
        "hide_parameters": True,  # parameters may be secrets; errors and logs never show them
    }


_HOST = re.compile(r"(\[[^]]*\]|[^:]*)(?::(\d+))?")
_SEVERAL_HOSTS = re.compile(r"^([^/?#]*@)?([^/?#@]+,[^/?#@]+)(/[^?]*)?(?:\?(.*))?$", re.DOTALL)


def _url(database_url: str) -> URL:
    """The URL as SQLAlchemy reads it, which has several hosts as parameters of their own."""
    plain = re.sub(r"^postgres(ql)?(\+psycopg)?://", "", database_url)
    if several := _SEVERAL_HOSTS.match(plain):
        user, hosts, path, query = several.groups()
        found = [_HOST.fullmatch(host) for host in hosts.split(",")]
        names = ",".join(host[1].strip("[]") for host in found if host)
        ports = ",".join(host[2] or "5432" for host in found if host)
        plain = f"{user or ''}{path or '/'}?host={names}&port={ports}{'&' + query if query else ''}"
    return make_url(f"postgresql+psycopg://{plain}")


def transactional(engine: Engine) -> Engine:
    """The same pool, where what a connection executes shares a transaction until it commits or rolls back."""
    return engine.execution_options(isolation_level="READ COMMITTED")


_NAME = re.compile(r"^\s*/\* ([a-z_.]+) \*/")


def statement_name(sql: str) -> str:
    """The name a statement of ours begins with, such as `jobs.succeed`; `other` for anything else."""
    match = _NAME.match(sql)
    return match.group(1) if match else "other"


def measure_statements(engine: Engine, observe: Callable[[str, float], None]) -> None:
    """Call `observe(statement name, seconds)` after every statement."""

    @event.listens_for(engine, "before_cursor_execute")
    def _start(conn: Connection, *_: Any) -> None:
        conn.info["statement_started"] = time.perf_counter()

    @event.listens_for(engine, "after_cursor_execute")
    def _stop(conn: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        observe(statement_name(statement), time.perf_counter() - conn.info["statement_started"])


def is_unavailable(error: BaseException) -> bool:
    """True when trying again later may help: connection lost, shutdown, out of connections, time-out, deadlock."""
    if isinstance(error, sa.exc.TimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        return error.connection_invalidated or isinstance(error, OperationalError)
    # 08 connection, 53 resources, 40 rollback, 58 system, 57P shutdown, 57014 cancelled by time-out, 55P03 lock,
    # 25006 read-only standby, 25P03 idle in transaction (PostgreSQL 18, appendix A, read 2026-11-23)
    return state[:2] in {"08", "53", "40", "58"} or state[:3] == "57P" or state in {"57014", "55P03", "25006", "25P03"}


_CHECK = """
    /* database.check */
    SELECT to_regclass('api_keys') IS NOT NULL,
           NOT EXISTS (SELECT FROM unnest(ARRAY['idle_in_transaction_session_timeout', 'statement_timeout']) AS name
                        WHERE current_setting(name) = '0')
"""


def check(engine: Engine) -> None:
    """Return when the database answers, has been migrated and bounds our sessions; raise DatabaseUnavailable."""
    migrated, bounded = _answer(engine, _CHECK)
    if not migrated:
        raise DatabaseUnavailable("the schema is missing: run `python -m migrations upgrade`")
    if not bounded:
        raise DatabaseUnavailable(
            "the role's sessions have no time-outs, and a pooler keeps ours from reaching PostgreSQL: "
            "run `python -m migrations grant` for this role"
        )


def check_answers(engine: Engine) -> None:
    """Return when the database answers, migrated or not; raise DatabaseUnavailable."""
    _answer(engine, "/* database.check_answers */ SELECT true")


def _answer(engine: Engine, question: str) -> Sequence[Any]:
    try:
        with engine.connect() as conn:
            return conn.execute(sa.text(question)).one()
    except (DBAPIError, sa.exc.TimeoutError) as error:
        first_line = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise DatabaseUnavailable(f"PostgreSQL does not answer: {first_line}") from None


_UNCONFIRMED = "commit_unconfirmed"


def watch_replication(engine: Engine) -> None:
    """Notice commits that a synchronous standby did not confirm.

    When the wait for the standby is cancelled, COMMIT succeeds with only a WARNING (PostgreSQL 18,
    "Synchronous Replication", read 2026-11-23): an answer of 202 would promise more than is true.
    """

    @event.listens_for(engine, "connect")
    def _listen(connection: Any, record: Any) -> None:
        def notice(diagnostic: Any) -> None:
            if "synchronous replication" in (diagnostic.message_primary or ""):
                record.info[_UNCONFIRMED] = True

        connection.add_notice_handler(notice)


def raise_if_unconfirmed(conn: Connection) -> None:
    """Raise DatabaseUnavailable if the last commit on this connection may be lost in a fail-over."""
    if conn.info.pop(_UNCONFIRMED, False):
        raise DatabaseUnavailable("the commit was not confirmed by the synchronous standby")
