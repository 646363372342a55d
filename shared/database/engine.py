"""Creates connections to PostgreSQL, each named and bounded in time."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine, make_url

from shared import json_text
from shared.database.answering import ANSWER_S, wait_no_longer
from shared.database.fresh_sessions import drop_stale_sessions, use_url_of_today
from shared.database.libpq import CONNECT_TIMEOUT_S, KEEPALIVE

DatabaseUrl = str | Callable[[], str]
"""Where the database is, with user and password. A function is called again for each new connection, so a rotated
password needs no restart."""

SESSION_BOUNDS = {
    # A frozen process must not hold row locks forever: SKIP LOCKED would skip its rows.
    "idle_in_transaction_session_timeout": "30s",
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "timezone": "UTC",
}
"""The limits of every session of a service: requested on connecting, and stored with its role (`migrate grant`)."""

DIRECT = "todoke.direct"
"""A session setting that arrives with the bounds or not at all, and the engine option that says that it was sent."""


def create_engine(
    database_url: DatabaseUrl,
    *,
    application_name: str,
    pool_size: int = 5,
    through_pooler: bool = False,
    bounds: Mapping[str, str] = SESSION_BOUNDS,
    pool_timeout_s: float = 10,
    answer_s: float | None = ANSWER_S,
) -> Engine:
    """Return an engine whose connections are named, bounded in time, and fail fast when the host is unreachable.

    Every statement is its own transaction: one round trip, and nothing is left open. `transactional` is for the few
    places that need more. `database_url` may begin with postgresql:// or postgres://, and name several hosts as libpq
    does (`host1:5432,host2:5432`); other libpq parameters in it are kept.

    With `through_pooler`, each transaction may get another connection, so start-up options and prepared statements
    would be lost; `check_database` then checks that the role has the bounds. `bounds` replaces SESSION_BOUNDS, where
    there is no such pooler. `answer_s`: when an answer takes this long, the connection is given up; None sets no limit.
    """
    arguments = engine_arguments(database_url, application_name, pool_size, through_pooler, bounds)
    engine = sa.create_engine(**{**arguments, "pool_timeout": pool_timeout_s})
    keep_fresh(engine, database_url)
    if answer_s is not None:
        wait_no_longer(engine, answer_s)
    return engine


def keep_fresh(engine: Engine, database_url: DatabaseUrl) -> None:
    """Make the engine close sessions that have become useless, and connect with the current password."""
    drop_stale_sessions(engine)
    if callable(database_url):
        use_url_of_today(engine, lambda: _url(database_url()))


def engine_arguments(
    database_url: DatabaseUrl,
    application_name: str,
    pool_size: int,
    through_pooler: bool,
    bounds: Mapping[str, str] = SESSION_BOUNDS,
) -> dict[str, Any]:
    """Return the arguments of SQLAlchemy's `create_engine` or `create_async_engine` for such an engine."""
    url = _url(database_url() if callable(database_url) else database_url)
    connect_args: dict[str, Any] = {
        "application_name": application_name,
        "connect_timeout": CONNECT_TIMEOUT_S,
        **KEEPALIVE,
    }
    if through_pooler:
        connect_args["prepare_threshold"] = None
    else:
        connect_args["options"] = " ".join(f"-c {name}={value}" for name, value in {**bounds, DIRECT: "on"}.items())
    connect_args = {k: v for k, v in connect_args.items() if k not in url.query}
    return {
        "url": url,
        "connect_args": connect_args,
        "execution_options": {DIRECT: "options" in connect_args},
        "pool_size": pool_size,
        "max_overflow": 0,
        "pool_timeout": 10,
        "pool_recycle": 1800,
        # Here and not as an option of each connection taken from the pool, which would switch it on and off again.
        "isolation_level": "AUTOCOMMIT",
        "skip_autocommit_rollback": True,
        "json_deserializer": json_text.read,
        "use_native_hstore": False,  # otherwise every new connection would query that type, in a transaction
        "hide_parameters": True,  # parameters may be secrets; errors and logs never show them
    }


_HOST = re.compile(r"(\[[^]]*\]|[^:]*)(?::(\d+))?")
_SEVERAL_HOSTS = re.compile(r"^([^/?#]*@)?([^/?#@]+,[^/?#@]+)(/[^?]*)?(?:\?(.*))?$", re.DOTALL)


def _url(database_url: str) -> URL:
    """Return the URL in SQLAlchemy's form, with several hosts as parameters of their own."""
    plain = re.sub(r"^postgres(ql)?(\+psycopg)?://", "", database_url)
    if several := _SEVERAL_HOSTS.match(plain):
        user, hosts, path, query = several.groups()
        found = [_HOST.fullmatch(host) for host in hosts.split(",")]
        names = ",".join(host[1].strip("[]") for host in found if host)
        ports = ",".join(host[2] or "5432" for host in found if host)
        plain = f"{user or ''}{path or '/'}?host={names}&port={ports}{'&' + query if query else ''}"
    return make_url(f"postgresql+psycopg://{plain}")


def transactional(engine: Engine) -> Engine:
    """Return an engine with the same pool, whose connections keep statements in one transaction until commit or
    rollback.
    """
    return engine.execution_options(isolation_level="READ COMMITTED")
