"""`todoke-server gates`: what is paused and what is capped."""

import argparse
import getpass
import sys
from datetime import UTC, datetime, timedelta

from sqlalchemy.engine import Connection, Engine

from services.cli.rows import print_rows
from services.cli.settings import service_settings
from shared.access import audit
from shared.access.audit import Action, Actor
from shared.access.tenants import DEFAULT_TENANT, tenant_problem
from shared.database.engine import create_engine, transactional
from shared.database.health import check_database
from shared.jobs import caps, gates, pauses, queue_caps
from shared.jobs.gates import Gate, Kind

_COLUMNS = ("kind", "name", "state", "since", "until", "by", "reason", "running", "most")


def run(given: argparse.Namespace) -> int:
    """Show, pause, resume, cap or uncap. Returns 1 if there was no pause or cap to remove."""
    settings = service_settings()
    engine = create_engine(
        settings.database_url.get_secret_value(),
        application_name="todoke-gates",
        pool_size=1,
        through_pooler=settings.through_pooler,
    )
    try:
        check_database(engine)
        return _show(engine, given) if given.action == "list" else _change(engine, given)
    finally:
        engine.dispose()


def _show(engine: Engine, given: argparse.Namespace) -> int:
    with engine.connect() as conn:
        paused, capped, queues = pauses.pauses(conn), caps.caps(conn), queue_caps.queue_caps(conn)
    rows: list[dict[str, object]] = [
        {"kind": p.gate.kind, "name": p.gate.name, "state": "resuming" if p.ended_at else "paused",
         "since": p.began_at, "until": p.until, "by": p.by, "reason": p.reason}
        for p in paused
    ]  # fmt: skip
    rows += [
        {"kind": c.gate.kind, "name": c.gate.name, "state": "capped", "running": c.taken, "most": c.running}
        for c in capped
    ]
    rows += [{"kind": Kind.TENANT, "name": q.tenant, "state": "queue capped", "most": q.most} for q in queues]
    print_rows(_COLUMNS, ({column: row.get(column) for column in _COLUMNS} for row in rows), given.output)
    print(f"{len(paused)} paused, {len(capped) + len(queues)} capped", file=sys.stderr)
    return 0


def _change(engine: Engine, given: argparse.Namespace) -> int:
    gate = Gate(Kind(given.kind.replace("-", "_")), given.name)
    with transactional(engine).begin() as conn:
        gates.lock(conn, gate)
        wrong = {"pause": _pause, "resume": _resume, "cap": _cap, "uncap": _uncap}[given.action](conn, gate, given)
    if given.action == "cap" and given.running is not None:
        with transactional(engine).begin() as conn:
            caps.count_running(conn, gate)
    print(wrong or f"{gate}: done", file=sys.stderr)
    if not wrong and given.action in {"pause", "cap"}:
        with engine.connect() as conn:
            if not gates.is_known(conn, gate):
                print(f"note: no worker has told of {gate} yet: is the name right?", file=sys.stderr)
    return 1 if wrong else 0


def _pause(conn: Connection, gate: Gate, given: argparse.Namespace) -> str | None:
    until = datetime.now(UTC) + timedelta(hours=given.hours) if given.hours else None
    if pauses.pause(conn, gate, reason=given.reason, by=_who(), until=until) is None:
        return f"{gate} is just being resumed: try again in a moment"
    _write_down(conn, Action.GATES_PAUSE, gate, reason=given.reason, until=until and until.isoformat())
    return None


def _resume(conn: Connection, gate: Gate, _: argparse.Namespace) -> str | None:
    if not pauses.resume(conn, gate):
        return f"{gate} is not paused"
    _write_down(conn, Action.GATES_RESUME, gate)
    return None


def _cap(conn: Connection, gate: Gate, given: argparse.Namespace) -> str | None:
    if given.running is None and given.unfinished is None:
        return "say --running N, or --unfinished N"
    if given.unfinished is not None and gate.kind is not Kind.TENANT:
        return "--unfinished is for tenants"
    after = {}
    if given.running is not None:
        caps.set_cap(conn, gate, given.running)
        after["mostRunning"] = given.running
    if given.unfinished is not None:
        queue_caps.set_queue_cap(conn, gate.name, given.unfinished)
        after["mostUnfinished"] = given.unfinished
    _write_down(conn, Action.GATES_CAP, gate, **after)
    return None


def _uncap(conn: Connection, gate: Gate, _: argparse.Namespace) -> str | None:
    of_queue = gate.kind is Kind.TENANT and queue_caps.remove_queue_cap(conn, gate.name)
    if not caps.remove_cap(conn, gate) and not of_queue:
        return f"{gate} has no cap"
    _write_down(conn, Action.GATES_UNCAP, gate)
    return None


def _who() -> str:
    return f"todoke-server:{getpass.getuser()}"


def _write_down(conn: Connection, action: Action, gate: Gate, **after: object) -> None:
    of_tenant = gate.kind is Kind.TENANT and not tenant_problem(gate.name)
    actor = Actor(gate.name if of_tenant else DEFAULT_TENANT, _who())
    audit.record(conn, actor, action, f"gates/{gate.kind}/{gate.name}", after=after or None)
