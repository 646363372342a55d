"""`todoke-server outbox`: list messages that can never be sent as they are, send them again, or drop them."""

import argparse
import getpass
import sys
from collections.abc import Sequence

from sqlalchemy.engine import Connection

from services.cli.errors import WrongCall
from services.cli.rows import Row, print_rows
from services.cli.settings import service_settings
from shared.access import audit
from shared.access.audit import Action, Actor
from shared.access.tenants import DEFAULT_TENANT, tenant_problem
from shared.database.engine import create_engine, transactional
from shared.database.health import check_database
from shared.outbox import parked
from shared.outbox.parked import ParkedRow

_COLUMNS = ("id", "parked", "topic", "tenant", "attempts", "error", "payload")


def run(given: argparse.Namespace) -> int:
    """Show parked messages, make the relay send them again, or delete them. Returns 1 if one is not parked."""
    if given.action != "parked" and bool(given.ids) == given.all:
        raise WrongCall("name ids, or say --all")
    settings = service_settings()
    engine = create_engine(
        settings.database_url.get_secret_value(),
        application_name="todoke-outbox",
        pool_size=1,
        through_pooler=settings.through_pooler,
    )
    try:
        check_database(engine)
        with transactional(engine).begin() as conn:
            return _show(conn, given) if given.action == "parked" else _change(conn, given)
    finally:
        engine.dispose()


def _show(conn: Connection, given: argparse.Namespace) -> int:
    rows = parked.parked(conn, most=min(given.most, parked.MOST))
    print_rows(_COLUMNS, map(_row, rows), given.output)
    print(f"{len(rows)} message(s) are parked", file=sys.stderr)
    return 0


def _change(conn: Connection, given: argparse.Namespace) -> int:
    """Use one transaction: what was printed is what is changed, or nothing is."""
    rows = parked.parked(conn) if given.all else parked.find_parked(conn, given.ids)
    missing = sorted(set(given.ids) - {row.id for row in rows})
    _print(rows, given)
    if missing:
        print(f"not parked: {', '.join(map(str, missing))}", file=sys.stderr)
    verb, done = {"requeue": ("send again", "will be sent again"), "drop": ("delete", "deleted")}[given.action]
    if not given.yes:
        print(f"nothing was changed: --yes would {verb} {len(rows)} message(s)", file=sys.stderr)
        return 1 if missing else 0
    ids = [row.id for row in rows]
    changed = parked.requeue(conn, ids, reason=given.reason) if given.action == "requeue" else parked.drop(conn, ids)
    _write_down(conn, [row for row in rows if row.id in changed], given)
    print(f"{len(changed)} message(s) {done}", file=sys.stderr)
    return 1 if missing or len(changed) < len(ids) else 0


def _write_down(conn: Connection, rows: Sequence[ParkedRow], given: argparse.Namespace) -> None:
    action = Action.OUTBOX_REQUEUE if given.action == "requeue" else Action.OUTBOX_DROP
    for row in rows:
        # A message written by hand may name no tenant.
        tenant = DEFAULT_TENANT if tenant_problem(row.group_key) else row.group_key
        before = {"topic": row.topic, "attempts": row.attempts, "lastError": row.last_error}
        actor = Actor(tenant, f"todoke-server:{getpass.getuser()}")
        audit.record(conn, actor, action, f"outbox/{row.id}", before=before, after={"reason": given.reason})


def _print(rows: Sequence[ParkedRow], given: argparse.Namespace) -> None:
    """Print the rows before they are changed: nothing is dropped unless it was written to stdout."""
    print_rows(_COLUMNS, ({**_row(row), "why": given.reason} for row in rows), given.output)
    sys.stdout.flush()


def _row(row: ParkedRow) -> Row:
    return {
        "id": row.id,
        "parked": row.parked_at,
        "topic": row.topic,
        "tenant": row.group_key,
        "attempts": row.attempts,
        "error": row.last_error,
        "payload": row.payload,
        "headers": row.headers,
        "created": row.created_at,
    }
