"""`todoke-server migrate`: update the schema, and the permissions of the services' roles."""

import argparse
import sys
import threading

from alembic.util.exc import CommandError
from sqlalchemy.exc import SQLAlchemyError

import migrations
from migrations import grants
from services.cli.errors import WrongCall
from services.cli.settings import service_settings
from shared.database.engine import create_engine
from shared.database.health import check_database_answers
from shared.errors import TodokeError
from shared.runtime import logs
from shared.runtime.startup import wait_for


class MigrationFailed(TodokeError):
    """The database refused, or its revision is unknown to this version."""


def run(given: argparse.Namespace) -> int:
    """Wait for the database, then upgrade, grant, compare or show the revision."""
    roles = {service: role for service in grants.SERVICES if (role := getattr(given, service, None))}
    if given.action == "grant" and not roles:
        raise WrongCall("name at least one role, for example --worker todoke_worker")
    settings = service_settings()
    url = settings.database_url.get_secret_value()
    logs.configure("migrations", settings.log_level)
    _wait_for_database(url, settings.startup_timeout_s)
    try:
        _act(given.action, url)
        if roles:
            grants.grant(url, roles)
    except (CommandError, SQLAlchemyError) as error:
        # The first line: SQLAlchemy appends the statement, which is long, and its parameters.
        reason = str(error).splitlines()[0]
        if "Can't locate revision" in reason:
            reason += ": another version of Todoke has migrated this database; use that version's todoke-server"
        raise MigrationFailed(f"{given.action} failed: {reason}") from None
    if roles:
        print(f"granted: {', '.join(f'{service} to {role}' for service, role in roles.items())}", file=sys.stderr)
    return 0


def _act(action: str, url: str) -> None:
    if action == "upgrade":
        migrations.upgrade(url)
    elif action == "check":
        migrations.check(url)
    elif action == "current":
        migrations.current(url)


def _wait_for_database(url: str, timeout_s: float) -> None:
    # A migration, too, may start together with its database, or before it.
    engine = create_engine(url, application_name="todoke-migrations")
    try:
        wait_for("database", lambda: check_database_answers(engine), stop=threading.Event(), timeout_s=timeout_s)
    finally:
        engine.dispose()
