"""What the operators of the scene's installation see: workers, dead letters, parked messages, pauses, and an audit
trail.
"""

import json
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.access import api_keys, audit
from shared.access.audit import Action, Actor
from shared.jobs import caps, measurements, pauses, workers
from shared.jobs.gates import Gate, Kind
from shared.jobs.measurements import Subject
from shared.jobs.workers import Presence
from shared.outbox import dead_letters, messages
from shared.outbox.dead_letters import Copy, Wish
from shared.outbox.messages import OutboxRow, Unsent

_TENANT = "kawabata-trading"


def operations(conn: Connection, job_id: UUID) -> None:
    """Fill every part of the operator's pages; `job_id` is a job that a dead letter names."""
    _crew(conn)
    _put_aside(conn, job_id)
    pauses.pause(conn, Gate(Kind.SOURCE, "warehouse"), reason="倉庫データベースの移行作業中", by="mika.sato")
    pauses.pause(conn, Gate(Kind.TENANT, "globex"), reason="invoice 2026-0931 is unpaid", by="t.okonkwo")
    caps.set_cap(conn, Gate(Kind.REPORT_TYPE, "general-ledger"), 2)
    for name, scopes in (
        ("finance-nightly", "jobs:create jobs:read"),
        ("ci", "jobs:read"),
        ("佐々木 美香", "keys:read"),
    ):
        api_keys.create_key(conn, tenant=_TENANT, name=name, scopes=frozenset(scopes.split()), valid_s=90 * 86_400)
    actor = Actor(_TENANT, "mika.sato", "4fzyo82mvyr0", str(uuid4()), "203.0.113.7")
    for n in range(12):
        audit.record(conn, actor, Action.JOBS_CANCEL, f"jobs/{uuid4()}", after={"outcome": "cancelled", "n": n})
    audit.record(conn, actor, Action.JOBS_KEEP, f"jobs/{job_id}", after={"keepFilesSeconds": 7_776_000})
    audit.record(
        conn, actor, Action.GATES_PAUSE, "gates/source/warehouse", after={"reason": "倉庫データベースの移行作業中"}
    )


def _crew(conn: Connection) -> None:
    for n in range(3):
        workers.beat(conn, Presence(f"worker-7c9d4f8b6-{n}x2lq", "c", ["calendar"] * 9, 8, 2 + n), new=True)
    workers.beat(
        conn, Presence("worker-in-the-old-data-centre-with-a-long-name", "c", ["calendar"], 4, 0, "no_space"), new=True
    )
    workers.beat(conn, Presence("worker-that-left", "c", ["calendar"], 8, 0), new=True)
    conn.execute(text("UPDATE workers SET seen_at = seen_at - interval '3 h' WHERE name = 'worker-that-left'"))
    facts = {
        "outbox": {"unsent": 1_204, "oldestAgeS": 75.2, "waiting": 14, "parked": 3},
        "held": {"messages": 10_000, "tenants": 2, "oldestAgeS": 912.0}, "paused": 2, "workers": {"fit": 3, "unfit": 1},
        "jobs": {
            "waiting": 1_482, "delayed": 12, "running": 9, "late": 31, "oldestWaitingS": 641.5, "ofUnknownType": 2,
        },
        "erasures": {"waiting": 0, "oldestAgeS": 0.0}, "snapshot": None,
    }  # fmt: skip
    measurements.write(conn, Subject.DATABASE, facts)
    measurements.write(conn, Subject.QUEUE, {"visible": 1_204, "inFlight": 9, "delayed": 0, "deadLetters": 4})
    measurements.write(conn, Subject.STORE, {"files": 48_211, "bytes": 318_442_117_004})


def _put_aside(conn: Connection, job_id: UUID) -> None:
    body = json.dumps({"jobId": str(job_id)})
    dead_letters.copy(
        conn,
        [
            Copy(str(uuid4()), job_id, body, "", 20, None),
            Copy(str(uuid4()), uuid4(), json.dumps({"jobId": str(uuid4())}), "unknown", 4, None),
            Copy(
                str(uuid4()),
                None,
                '{"Records": [{"s3": {"object": {"key": "' + "x" * 400 + '"}}}]}',
                "foreign",
                1,
                None,
            ),
        ],
    )
    waiting = str(uuid4())
    dead_letters.copy(conn, [Copy(waiting, job_id, body, "", 21, None)])
    dead_letters.wish_for(conn, [waiting], Wish.REDRIVE, by="mika.sato")
    conn.execute(
        text("INSERT INTO measurements (subject, facts) VALUES ('dead_letters', CAST(:f AS jsonb))"),
        {"f": '{"seen": 4}'},
    )
    denied = (
        "AccessDenied: arn:aws:sts::123456789012:assumed-role/todoke-relay is not authorized to perform sqs:SendMessage"
    )
    parked = [
        OutboxRow(0, topic, tenant, body, None, 3)
        for topic, tenant in (("jobs", _TENANT), ("jobs", "globex"), ("webhooks", "acme"))
    ]
    messages.keep(conn, [Unsent(row, denied, 0, parked=True) for row in parked])
