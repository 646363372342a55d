"""While a release is rolled back, the older one meets what the newer has stored: it shows it, and breaks nowhere."""

from collections.abc import Iterator, Sequence

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from services.relay.bulk import BulkActions
from services.relay.schedules import Schedules
from shared.access import api_keys
from shared.access.scopes import OWN
from shared.catalog.load import BUILTIN, load_catalog
from shared.outbox import dead_letters
from shared.outbox.dead_letters import Copy
from tests.services.test_console_every_page import _FILES, Scene, app, client, scene, the_routes
from tests.services.test_every_route import routes
from tests.support.api_app import problem
from tests.support.schedules import a_schedule, jobs_of

__all__ = ["app", "client", "scene"]

NEWER = "newer_value"
"""What nobody knows."""
STORED = {
    "webhook_events": ["type"], "webhook_deliveries": ["state"], "webhooks": ["disabled_because"],
    "schedules": ["stop_reason", "misfire", "overlap"], "schedule_ticks": ["cause", "fate", "reason"],
    "bulk_actions": ["action", "state"], "bulk_results": ["outcome"], "dead_letters": ["wish"],
    "job_minutes": ["outcome"], "job_totals": ["outcome"], "measurements": ["subject"], "pauses": ["kind"],
    "caps": ["kind"], "audit": ["action"], "jobs": ["status"],
    "job_transitions": ["from_status", "to_status", "verb", "reason"], "artifacts": ["format"],
}  # fmt: skip
"""Where the database holds a value of an enumeration that the API or the console reads."""


def lifted(conn: Connection, table: str) -> None:
    """What the newer release's migration has done: its values are allowed."""
    checks = "SELECT conname FROM pg_constraint WHERE conrelid = CAST(:t AS regclass) AND contype = 'c'"
    for name in conn.execute(text(checks), {"t": table}).scalars().all():
        conn.execute(text(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"'))
    conn.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))


def written(conn: Connection, tables: Sequence[str]) -> None:
    """One row at least of each table has the value; of those where it is part of the key, one alone."""
    for table in tables:
        for column in STORED[table]:
            some = (
                "ctid = (SELECT min(ctid) FROM {0})"
                if table in ("measurements", "job_totals", "job_minutes")
                else "true"
            )
            changed = conn.execute(text(f"UPDATE {table} SET {column} = :v WHERE {some.format(table)}"), {"v": NEWER})
            assert changed.rowcount > 0, (table, column)


@pytest.fixture
def everything(conn: Connection, scene: Scene) -> Scene:
    """A scene with a line of each history, too."""
    for table in STORED:
        lifted(conn, table)
    some = {
        "id": scene["schedule_id"],
        "job": scene["job_id"],
        "webhook": scene["webhook_id"],
        "bulk": scene["bulk_id"],
    }
    conn.execute(
        text("INSERT INTO schedule_ticks (schedule_id, tenant, tick, cause, fate, reason, job_id) "
             "VALUES (:id, 'ops', now(), 'due', 'failed', 'missed', NULL), (:id, 'ops', now() - interval '1 h', 'due', "
             "'submitted', NULL, :job)"), some,
    )  # fmt: skip
    conn.execute(
        text("UPDATE schedules SET next_tick = NULL, due_at = NULL, stop_reason = 'missed', stopped_at = now()")
    )
    conn.execute(text("UPDATE webhooks SET disabled_at = now(), disabled_because = 'asked'"))
    conn.execute(text("UPDATE webhook_events SET job_id = :job"), some)
    conn.execute(text("INSERT INTO bulk_results (bulk_id, job_id, outcome) VALUES (:bulk, :job, 'unchanged')"), some)
    conn.execute(text("""UPDATE bulk_actions SET outcomes = '{"newer_value": 3}', filter = '{"newer_value": 3}',
        matched = '{"jobs": 3, "atLeast": false, "byStatus": {"newer_value": 3}, "outcomes": {"newer_value": 3},
                    "newer_value": 1}'"""))  # fmt: skip
    conn.execute(
        text("""UPDATE jobs SET error = error || '{"newer_value": 1, "cost": {"cpuSeconds": 1.0,
        "peakMemoryMb": 1, "bytesRead": 1, "bytesWritten": 1, "newer_value": 1}}' WHERE error IS NOT NULL""")
    )
    conn.execute(
        text("""UPDATE jobs SET result = result || '{"newer_value": 1, "warnings": [{"code": "newer_value",
        "file": "a.pdf", "message": "m", "hint": "h", "characters": [], "newer_value": 1}],
        "phases": [["newer_value", 1.0]]}' WHERE result IS NOT NULL""")
    )
    return scene


def addresses(app: FastAPI, known: Scene) -> Iterator[tuple[str, str]]:
    """Every operation that reads, and every page, in both languages."""
    places = {**known, "kind": "source", "share_id": known["job_id"], "parameter": "origin"}
    for method, path in routes(app):
        if method == "GET" and not path.endswith("stream"):
            yield path.format(**places), ""
    for path in sorted(set(the_routes(app, "GET")) - set(_FILES)):
        for address in known.addresses(path):
            yield address.replace("/files/flights-export", "/files/calendar.pdf"), "en"
            yield address.replace("/files/flights-export", "/files/calendar.pdf"), "ja"


@pytest.mark.parametrize(
    "tables", [["jobs", "job_transitions"], [one for one in STORED if one != "jobs"]], ids=["jobs", "the rest"]
)
def test_a_value_that_nobody_knows_is_shown_as_it_is_and_breaks_no_page(
    tables: list[str], client: TestClient, app: FastAPI, conn: Connection, everything: Scene
) -> None:
    written(conn, tables)
    key = api_keys.create_key(conn, tenant="ops", name="ann", scopes=OWN)
    broken, shown = [], set()
    for address, language in addresses(app, everything):
        headers = {"Accept-Language": language} if language else {"Authorization": f"Bearer {key}"}
        answer = client.get(address, headers=headers)
        if answer.status_code >= 500:
            broken.append((address, language, answer.status_code, answer.text[-300:]))
        if NEWER in answer.text:
            shown.add("page" if language else "API")

    assert broken == []
    assert shown == {"page", "API"}


@pytest.fixture
def relay(engine: Engine) -> Schedules:
    return Schedules(engine, load_catalog(BUILTIN))


@pytest.mark.parametrize("column", ["misfire", "overlap"])
def test_a_schedule_with_a_policy_of_a_newer_release_is_left_to_its_relays(
    relay: Schedules, conn: Connection, column: str
) -> None:
    lifted(conn, "schedules")
    newer, other = a_schedule(conn), a_schedule(conn)
    conn.execute(text(f"UPDATE schedules SET {column} = :v WHERE id = :id"), {"v": NEWER, "id": newer})

    relay.run_once()

    assert (len(jobs_of(conn, other)), jobs_of(conn, newer)) == (1, [])


@pytest.mark.parametrize("change", ["action = 'newer_value'", """filter = filter || '{"newer_value": 1}'"""])
def test_a_bulk_action_of_a_newer_release_is_left_to_its_relays_and_begun_by_its_api_only(
    client: TestClient, scene: Scene, engine: Engine, conn: Connection, change: str
) -> None:
    """What this release would do in its place is another thing: another action, or to more jobs."""
    lifted(conn, "bulk_actions")
    conn.execute(text(f"UPDATE bulk_actions SET {change}"))
    headers = {"Authorization": f"Bearer {api_keys.create_key(conn, tenant='ops', name='ann', scopes=OWN)}"}
    place = f"/v1/bulk/{scene['bulk_id']}"

    told = problem(client.post(f"{place}:run", headers=headers), 422, "invalid_request")
    assert [one["code"] for one in told["violations"]] == ["unknown_option"]
    conn.execute(
        text("UPDATE bulk_actions SET state = 'RUNNING', started_at = now(), due_at = now(), moved_at = now()")
    )
    assert BulkActions(engine, pause_s=0).run_once() == 0
    assert conn.execute(text("SELECT failures FROM bulk_actions")).scalar_one() == 0
    assert client.post(f"{place}:stop", headers=headers).json()["status"] == "STOPPED"


def test_a_wish_of_a_newer_release_is_left_to_it(conn: Connection) -> None:
    lifted(conn, "dead_letters")
    met = [Copy(name, None, "x", "", 1, None) for name in ("a", "b")]
    dead_letters.copy(conn, met)
    dead_letters.wish_for(conn, ["a", "b"], dead_letters.Wish.DROP, by=None)
    conn.execute(text("UPDATE dead_letters SET wish = 'newer_value' WHERE message_id = 'a'"))

    assert dead_letters.copy(conn, met) == {"b": dead_letters.Wish.DROP}


def test_no_enumeration_of_the_database_is_forgotten(conn: Connection) -> None:
    """Those that the tables bound by a CHECK: each is stored in the scene above, or read by nobody there."""
    found = conn.execute(
        text("""SELECT c.conrelid::regclass::text AS name, a.attname FROM pg_constraint c
                  JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
                 WHERE c.contype = 'c' AND cardinality(c.conkey) = 1
                   AND pg_get_constraintdef(c.oid) LIKE '%ANY (ARRAY[%'""")
    ).all()

    assert len(found) > 10
    known = {(table, column) for table, columns in STORED.items() for column in columns}
    assert {(table, column) for table, column in found} - known == {("slots", "kind"), ("job_hours", "outcome")}
