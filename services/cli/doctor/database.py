"""Examines the database: whether it answers, keeps commits, is migrated, and has roles with the right permissions."""

import os
from collections.abc import Iterator, Mapping

from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from migrations import grants, heads
from services.cli.doctor.clock import compared
from services.cli.doctor.finding import Finding, fail, ok, warn
from shared.database.engine import create_engine
from shared.database.health import check_database, check_database_answers
from shared.database.look import DatabaseFacts, look_at
from shared.database.unavailable import DatabaseUnavailable
from shared.runtime.settings import ServiceSettings, SettingsError

_OLDEST = 150_000
"""PostgreSQL 15: docs/tutorial/deployment.md."""


def look(roles: Mapping[str, str], service: str | None) -> Iterator[Finding]:
    """Yield the findings.

    `roles` is service → role; `service` is the one whose permissions DATABASE_URL's own role should have.
    """
    try:
        settings = ServiceSettings.from_environment(os.environ)
    except SettingsError as error:
        yield fail("database", str(error), "set DATABASE_URL as for the services")
        return
    engine = create_engine(
        _in_utf8(settings.database_url_of_today()),
        application_name="todoke-doctor",
        pool_size=1,
        through_pooler=settings.through_pooler,
    )
    try:
        check_database_answers(engine)
        facts = look_at(engine)
        yield from _server(facts)
        yield from _schema(engine, facts)
        if facts.revision in {heads.head(), None} and facts.is_migrated:
            yield from _rights(engine, facts, roles, service)
    except DatabaseUnavailable as error:
        yield fail("database", str(error), "start it, or correct DATABASE_URL")
    except SQLAlchemyError as error:
        yield fail("database", str(getattr(error, "orig", error)).partition("\n")[0], "")
    finally:
        engine.dispose()


def _in_utf8(url: str) -> str:
    """Return the URL with UTF-8: a database without an encoding would return bytes, and errors could not be shown."""
    return f"{url}{'&' if '?' in url else '?'}client_encoding=UTF8"


def _server(facts: DatabaseFacts) -> Iterator[Finding]:
    if facts.version_number < _OLDEST:
        yield fail("database", f"PostgreSQL {facts.version} is too old", "upgrade it to 15 or newer")
    else:
        yield ok("database", f"PostgreSQL {facts.version} answers {facts.role}")
    if facts.encoding == "UTF8":
        yield ok("database.encoding", "UTF8")
    else:
        yield fail(
            "database.encoding",
            f"the encoding {facts.encoding} cannot store every text that a request may contain",
            "recreate the database with ENCODING 'UTF8'",
        )
    if not facts.survives_crashes:
        yield warn(
            "database.durability",
            "fsync or full_page_writes is off: a crash of its machine may lose accepted jobs, or the database",
            "turn both on in postgresql.conf",
        )
    if not facts.commits_are_kept:
        yield fail(
            "database.durability",
            "synchronous_commit is off: an accepted job may be lost in a crash",
            "ALTER ROLE … RESET synchronous_commit; the relay turns it off for itself where that is safe",
        )
    if facts.survives_crashes and facts.commits_are_kept:
        yield ok("database.durability", "committed data is on disk")
    yield from compared("database.clock", "the database", facts.ahead_s)


def _schema(engine: Engine, facts: DatabaseFacts) -> Iterator[Finding]:
    head = heads.head()
    upgrade = "run `todoke-server migrate upgrade` as the owner of the tables"
    if facts.revision is None and facts.is_migrated and not facts.is_owner:
        remedy = "run `todoke-server migrate grant` for it as the owner of the tables"
        yield warn("database.migrations", f"{facts.role} may not read the schema's revision", remedy)
    elif facts.revision is None:
        yield fail("database.migrations", "the database has never been migrated", upgrade)
    elif facts.revision > head:
        yield fail(
            "database.migrations",
            f"the schema is at {facts.revision}, but this version supports it only up to {head}",
            "use the newer version's services, or restore a backup",
        )
    elif facts.revision != head:
        yield fail("database.migrations", f"the schema is at {facts.revision}, but this version needs {head}", upgrade)
    else:
        yield ok("database.migrations", f"the schema is at {head}")
        try:
            check_database(engine)
        except DatabaseUnavailable as error:
            yield fail("database.sessions", str(error), "")
        else:
            yield ok("database.sessions", "accepts writes, and sessions have time limits")


def _rights(engine: Engine, facts: DatabaseFacts, roles: Mapping[str, str], service: str | None) -> Iterator[Finding]:
    for of, role in roles.items():
        yield _role(engine, of, role)
    if service is not None and service not in roles:
        yield _role(engine, service, facts.role)
    if facts.is_owner and service is not None:
        yield warn(
            "database.rights",
            f"DATABASE_URL logs in as {facts.role}, which owns the tables and has all rights",
            f"give the {service} a role of its own: `todoke-server migrate grant --{service} ROLE`",
        )
    if roles or service is not None:
        return
    if facts.is_owner:
        yield ok("database.rights", f"{facts.role} owns the tables; --api, --relay and --worker check other roles")
        return
    lacks = {of: _lacking(engine, of, facts.role) for of in grants.SERVICES}
    fitting = [of for of, missing in lacks.items() if not missing]
    nearest = min(lacks, key=lambda of: len(lacks[of]))
    yield (
        ok("database.rights", f"{facts.role} has the rights of {' and '.join(fitting)}")
        if fitting
        else _told(nearest, facts.role, lacks[nearest])
    )


def _role(engine: Engine, service: str, role: str) -> Finding:
    try:
        lacks = _lacking(engine, service, role)
    except grants.RoleMissing as error:
        return fail("database.rights", str(error), "")
    return _told(service, role, lacks) if lacks else ok("database.rights", f"{role} has the rights of the {service}")


def _lacking(engine: Engine, service: str, role: str) -> list[str]:
    with engine.connect() as conn:
        return grants.lacking(conn, service, role)


def _told(service: str, role: str, lacks: list[str]) -> Finding:
    more = f" and {len(lacks) - 3} more" if len(lacks) > 3 else ""
    return fail(
        "database.rights",
        f"{role} lacks rights of the {service}: {', '.join(lacks[:3])}{more}",
        f"run `todoke-server migrate grant --{service} {role}` as the owner of the tables",
    )
