"""`python -m deploy.tools.check_migrations` compares the result of the migrations with shared/database/tables.py."""

import sys
import tempfile
from pathlib import Path

from alembic.util.exc import CommandError

import migrations
from deploy.local.postgres import EmbeddedPostgres


def main() -> int:
    """Migrate an empty database up, down and up again, and compare. Returns the exit code."""
    with (
        tempfile.TemporaryDirectory(prefix="todoke-", ignore_cleanup_errors=True) as folder,
        EmbeddedPostgres(Path(folder), settings={"fsync": "off"}) as server,
    ):
        server.create_database("check")
        url = server.dsn("check")
        migrations.upgrade(url)
        migrations.downgrade(url)
        migrations.upgrade(url)
        try:
            migrations.check(url)
        except CommandError as error:
            print(f"migrations and shared/database/tables.py disagree: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
