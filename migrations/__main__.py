"""`python -m migrations upgrade | grant | check | current`: reads DATABASE_URL, or the file DATABASE_URL_FILE names."""

import argparse
import os
import sys
import threading
from collections.abc import Mapping

from alembic.util.exc import CommandError
from sqlalchemy.exc import SQLAlchemyError

import migrations
from migrations import grants
from shared.database.engine import create_engine
from shared.database.health import check_database_answers
from shared.errors import TodokeError
from shared.runtime import logs
from shared.runtime.settings import ServiceSettings, SettingsError
from shared.runtime.startup import wait_for


def main() -> int:
    """Run one command. Returns the exit code: 0 done, 1 failed, 2 wrong usage."""
    parser, granting = _parsers()
    arguments = parser.parse_args()
    roles = {s: role for s in grants.SERVICES if (role := getattr(arguments, s, None))}
    if arguments.command == "grant" and not roles:
        granting.error("name at least one role, for example --worker todoke_worker")
    try:
        settings = ServiceSettings.from_environment(os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    url = settings.database_url.get_secret_value()
    logs.configure("migrations", settings.log_level)
    try:
        _wait(url, settings.startup_timeout_s)
        _run(arguments.command, url, roles)
    except (CommandError, SQLAlchemyError, TodokeError) as error:
        # The first line: SQLAlchemy appends the statement, which is long, and its parameters.
        print(f"{arguments.command} failed: {str(error).splitlines()[0]}", file=sys.stderr)
        return 1
    return 0


def _parsers() -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    parser = argparse.ArgumentParser(prog="python -m migrations", description="Bring the Todoke database up to date.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    upgrading = commands.add_parser("upgrade", help="apply what is missing, then grant to the roles that are named")
    granting = commands.add_parser("grant", help="give each service's role its rights and no others")
    for service in grants.SERVICES:
        for command in (upgrading, granting):
            command.add_argument(f"--{service}", metavar="ROLE", help=f"the role that the {service} logs in as")
    commands.add_parser("check", help="compare the database with shared/database/tables.py")
    commands.add_parser("current", help="show the revision the database is at")
    return parser, granting


def _wait(url: str, timeout_s: float) -> None:
    """Migrations start in any order too: together with their database, or before it."""
    engine = create_engine(url, application_name="todoke-migrations")
    try:
        wait_for("database", lambda: check_database_answers(engine), stop=threading.Event(), timeout_s=timeout_s)
    finally:
        engine.dispose()


def _run(command: str, url: str, roles: Mapping[str, str]) -> None:
    if command in {"upgrade", "grant"}:
        if command == "upgrade":
            migrations.upgrade(url)
        if roles:
            grants.grant(url, roles)
            print(f"granted: {', '.join(f'{service} to {role}' for service, role in roles.items())}", file=sys.stderr)
    else:
        {"check": migrations.check, "current": migrations.current}[command](url)


if __name__ == "__main__":
    sys.exit(main())
