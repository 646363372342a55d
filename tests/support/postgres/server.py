"""A real PostgreSQL for the tests: from testcontainers if a Docker API responds, else embedded."""

import contextlib
import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg import sql

import migrations
from deploy.local.postgres import EmbeddedPostgres

_names = itertools.count()

Server = str
"""A superuser's connection string, up to and without the database name."""


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """Yield a server for the session, with a migrated template database."""
    with _container() if _docker_answers() else _embedded() as base:
        _create(base, "todoke_template", None)
        migrations.upgrade(f"{base}/todoke_template")
        yield base


@contextlib.contextmanager
def database(base: Server, *, template: str | None = "todoke_template") -> Iterator[str]:
    """Yield a separate database, a copy of the migrated template; it is dropped afterwards."""
    name = f"test_{os.getpid()}_{next(_names)}"
    _create(base, name, template)
    try:
        yield f"{base}/{name}"
    finally:
        with psycopg.connect(f"{base}/postgres", autocommit=True) as conn:
            conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _create(base: Server, name: str, template: str | None) -> None:
    with psycopg.connect(f"{base}/postgres", autocommit=True) as conn:
        # By copying files: the default, through the log, takes three times as long.
        way = sql.SQL("TEMPLATE {} STRATEGY FILE_COPY")
        copy = way.format(sql.Identifier(template)) if template else sql.SQL("")
        conn.execute(sql.SQL("CREATE DATABASE {} {}").format(sql.Identifier(name), copy))


@contextlib.contextmanager
def _embedded() -> Iterator[Server]:
    # Not in pytest's own folder, which every session of the same user closes to all others: PostgreSQL will not run as
    # root. Nothing here outlives the machine, so nothing needs to reach the disk.
    with (
        tempfile.TemporaryDirectory(prefix="todoke-postgres-", ignore_cleanup_errors=True) as folder,
        EmbeddedPostgres(Path(folder), settings={"fsync": "off", "full_page_writes": "off"}) as postgres,
    ):
        yield postgres.dsn("").rstrip("/")


@contextlib.contextmanager
def _container() -> Iterator[Server]:
    from testcontainers.community.postgres import PostgresContainer

    with PostgresContainer("postgres:17-trixie", driver=None) as container:
        yield container.get_connection_url().rsplit("/", 1)[0]


def _docker_answers() -> bool:
    if not os.environ.get("DOCKER_HOST"):
        return False
    import docker

    try:
        docker.from_env(timeout=5).ping()
    except docker.errors.DockerException:
        return False
    return True
