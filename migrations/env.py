"""Alembic's way to the database: by the URL that `migrations` passes on, one migrator at a time."""

from alembic import context
from sqlalchemy import text

from shared.database.engine import create_engine, transactional
from shared.database.tables import metadata

# Any constant will do, if it is the same in every migrator.
_LOCK = 7_262_610_701


def run() -> None:
    """Migrate inside one transaction, holding a lock so that several migrators queue up instead of colliding."""
    url = context.config.attributes["database_url"]
    engine = create_engine(url, application_name="todoke-migrations", answer_s=None)
    with transactional(engine).begin() as connection:
        # An index may take long to build. Waiting for a lock may not: everybody else queues behind it.
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL lock_timeout = '60s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        context.configure(connection=connection, target_metadata=metadata, compare_server_default=False)
        context.run_migrations()
    engine.dispose()


run()
