"""`python -m migrations upgrade | grant | check | current`: reads DATABASE_URL."""

import argparse
import os
import sys
from collections.abc import Mapping

from alembic.util.exc import CommandError
from sqlalchemy.exc import SQLAlchemyError

import migrations
from migrations import grants
from shared.errors import TodokeError


def main() -> int:
    """Run one command. Returns the exit code: 0 done, 1 failed, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m migrations", description="Bring the Todoke database up to date.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("upgrade", help="apply what is missing")
    commands.add_parser("check", help="compare the database with shared/tables.py")
    commands.add_parser("current", help="show the revision the database is at")
    granting = commands.add_parser("grant", help="give each service's role its rights and no others")
    for service in grants.SERVICES:
        granting.add_argument(f"--{service}", metavar="ROLE", help=f"the role that the {service} logs in as")
    arguments = parser.parse_args()
    roles = {s: role for s in grants.SERVICES if (role := getattr(arguments, s, None))}
    if arguments.command == "grant" and not roles:
        granting.error("name at least one role, for example --worker todoke_worker")
    url = os.environ.get("DATABASE_URL")
    if not url:
        print(
            "DATABASE_URL is not set: for example postgresql://user:password@host:5432/todoke",
            file=sys.stderr,
        )
        return 2
    try:
        _run(arguments.command, url, roles)
    except (CommandError, SQLAlchemyError, TodokeError) as error:
        # The first line: SQLAlchemy appends the statement, which is long, and its parameters.
        print(f"{arguments.command} failed: {str(error).splitlines()[0]}", file=sys.stderr)
        return 1
    return 0


def _run(command: str, url: str, roles: Mapping[str, str]) -> None:
    if command == "grant":
        grants.grant(url, roles)
        print(f"granted: {', '.join(f'{service} to {role}' for service, role in roles.items())}", file=sys.stderr)
    else:
        {"upgrade": migrations.upgrade, "check": migrations.check, "current": migrations.current}[command](url)


if __name__ == "__main__":
    sys.exit(main())
