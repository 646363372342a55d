"""`python -m migrations upgrade | check | current`: reads DATABASE_URL."""

import argparse
import os
import sys

from alembic.util.exc import CommandError
from sqlalchemy.exc import SQLAlchemyError

import migrations


def main() -> int:
    """Run one command. Returns the exit code: 0 done, 1 failed, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m migrations", description="Bring the Todoke database up to date.")
    parser.add_argument(
        "command",
        choices=["upgrade", "check", "current"],
        help="upgrade: apply what is missing; check: compare with shared/tables.py; current: show where it is",
    )
    command = parser.parse_args().command
    url = os.environ.get("DATABASE_URL")
    if not url:
        print(
            "DATABASE_URL is not set: for example postgresql://user:password@host:5432/todoke",
            file=sys.stderr,
        )
        return 2
    try:
        {"upgrade": migrations.upgrade, "check": migrations.check, "current": migrations.current}[command](url)
    except (CommandError, SQLAlchemyError) as error:
        # The first line: SQLAlchemy appends the statement, which is long, and its parameters.
        print(f"{command} failed: {str(error).splitlines()[0]}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
