"""Alembic's connection to the database: at the URL that `migrations` passes on, one migrator at a time."""

from alembic import context
from sqlalchemy import text

from shared.database.engine import create_engine, transactional
from shared.database.tables import metadata

# Any constant works, as long as all migrators use the same.
_LOCK = 7_262_610_701


def run() -> None:
    """Migrate inside one transaction, holding a lock so that concurrent migrators queue up instead of colliding."""
    url = context.config.attributes["database_url"]
    engine = create_engine(url, application_name="todoke-migrations", answer_s=None)
    with transactional(engine).begin() as connection:
        # Building an index may take long. Waiting for a lock may not: everyone else queues behind it.
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL lock_timeout = '60s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        context.configure(connection=connection, target_metadata=metadata, compare_server_default=False)
        context.run_migrations()
    engine.dispose()


run()
