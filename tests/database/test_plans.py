"""No statement of a read or a sweep visits more rows when tables grow: its plan is part of its contract."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from types import ModuleType
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine, Row

from shared.access import api_keys, audit_trail, rates, saved_views, sessions, shares, sign_in_codes
from shared.database.statements import statement_name
from shared.jobs import (
    admission,
    artifacts,
    backlog,
    bulk,
    bulk_results,
    bulk_slices,
    cancel,
    caps,
    erasure,
    events,
    gates,
    glance,
    held,
    keeping,
    listing,
    measurements,
    newer,
    passwords,
    pauses,
    queue_caps,
    read,
    recent,
    retention,
    reuse,
    rollups,
    sweep,
    totals,
    type_totals,
    unfinished,
    watch,
    why,
    workers,
)
from shared.jobs import (
    seen as seen_jobs,
)
from shared.jobs.filters import NEWEST, JobFilter
from shared.jobs.gates import Gate, Kind
from shared.jobs.measurements import Subject
from shared.jobs.states import JobStatus
from shared.jobs.viewer import Viewer
from shared.jobs.walk import START
from shared.outbox import dead_letters, messages, parked
from shared.schedules import due, from_files
from shared.schedules import history as schedule_history
from shared.schedules import store as schedules
from tests.support.postgres import fill, plans, server
from tests.support.postgres.plans import Case

_MANY = 10_000
"""Jobs of the large tenant: far more than any statement may look at."""
_SLICE = 1_000
_NEWEST = UUID(int=2**128 - 1)
_A_SLICE = {"after": START, "slice": _SLICE, "ring_after_s": 30}
_WAITS = {"look": 500, "most": 100, "outbox_look": 1_000}
"""How far a job is looked around for what it waits for."""
_BULK = UUID(int=1 << 80 | 7)
"""One of many bulk actions, which met every job of a tenant."""


@pytest.fixture(scope="module")
def crowded(postgres_server: server.Server) -> Iterator[Engine]:
    """Many finished, many waiting and a few running jobs of one tenant, and many messages."""

    def put(conn: Connection) -> None:
        fill.jobs(conn, _MANY, age_s=3600, keep_artifacts_s=0, keep_s=0)
        fill.keys(conn)
        fill.jobs(conn, _MANY, tenant="silent", age_s=7200, requester="ann")  # all of them older than everybody else's
        fill.jobs(conn, _MANY, status="PENDING", age_s=60, labels_every=3)
        fill.jobs(conn, 50, status="PROCESSING", age_s=120)
        # One job of a tenant among many of others, in each order.
        fill.jobs(conn, _MANY // 2, tenant="unlucky", status="FAILED", age_s=5400, requester="ann", labels_every=1)
        for status in ("FAILED", "PENDING"):
            fill.jobs(conn, 1, tenant="rare", status=status, age_s=5500, labels_every=1)
        fill.outbox(conn, _MANY)
        fill.erasures(conn)
        fill.reusable(conn, "often")
        fill.audit(conn, _MANY, tenant="silent", age_s=40 * 86_400)
        fill.audit(conn, _MANY)
        fill.held(conn, _MANY)
        fill.api_keys(conn, _MANY, tenant="silent", end=datetime(2026, 1, 1, tzinfo=UTC))
        fill.api_keys(conn, _MANY)
        fill.console_sessions(conn, _MANY)
        fill.sign_in_codes(conn, _MANY)
        fill.saved_views(conn, _MANY)
        fill.shares(conn, _MANY)
        fill.passwords(conn)
        fill.bulk(conn, _MANY)
        while unfinished.advance_floor(conn):
            pass
        fill.jobs(conn, 2 * _SLICE, tenant="late", status="PENDING", age_s=10)
        fill.minutes(conn)
        fill.dead_letters(conn, 2_000)
        fill.schedules(conn, _MANY, tenant="acme", due_in_s=-30, ticks=_MANY)
        fill.schedules(conn, _MANY, tenant="silent", due_in_s=3600)
        fill.schedules(conn, 1, tenant="rare", due_in_s=-20)
        for subject in Subject:
            measurements.write(conn, subject, {})
        _begin_to_rise(conn)
        _mix(conn)
        conn.execute(text("VACUUM ANALYZE"))
        caps.set_cap(conn, Gate(Kind.TENANT, "acme"), 10)
        pauses.pause(conn, Gate(Kind.TENANT, "paused"), reason="", by="")

    with plans.crowded(postgres_server, put) as engine:
        yield engine


def _mix(conn: Connection) -> None:
    """A few jobs are of a tenant before the largest, and the jobs of all lie among each other, as in a real table.

    PostgreSQL guesses the size of a range of `(tenant, id)` by its first column: so that of a tenant with few jobs
    before its own would seem small, and worth being read whole.
    """
    fill.jobs(conn, 300, tenant="aaa", age_s=3600)
    conn.execute(text("CREATE INDEX mixed ON jobs (md5(id::text))"))
    conn.execute(text("CLUSTER jobs USING mixed"))
    conn.execute(text("DROP INDEX mixed"))


def _begin_to_rise(conn: Connection) -> None:
    """The floor is about to pass `_SLICE` jobs: only then has its last step something to look at."""
    reached = conn.execute(unfinished._LOOK).one().reached
    next_floor = {"reached": reached, "settled": UUID(int=2**128 - 1), "most": _SLICE}
    announced = conn.execute(unfinished._ANNOUNCE, next_floor).scalar_one()
    conn.execute(unfinished._FENCE, {"announced": announced})


class Known(NamedTuple):
    """What the crowded database contains, for the parameters of the cases."""

    job: UUID
    """A finished job of the large tenant."""
    waiting: Sequence[str]
    """5,000 jobs that wait."""
    held: Sequence[UUID]
    """The jobs of 100 held doorbells."""
    floor: Row[Any]
    api_key: str
    session_holder: str


def known_in(conn: Connection) -> Known:
    return Known(
        conn.execute(
            text("SELECT id FROM jobs WHERE tenant = 'acme' AND finished_at IS NOT NULL ORDER BY id LIMIT 1")
        ).scalar_one(),
        conn.execute(text("SELECT id::text FROM jobs WHERE status = 'PENDING' LIMIT 5000")).scalars().all(),
        conn.execute(text("SELECT job_id FROM held ORDER BY job_id LIMIT 100")).scalars().all(),
        conn.execute(unfinished._LOOK).one(),
        conn.execute(text("SELECT id FROM api_keys WHERE tenant = 'acme' ORDER BY id LIMIT 1")).scalar_one(),
        conn.execute(text("SELECT key_id FROM console_sessions LIMIT 1")).scalar_one(),
    )


def cases(conn: Connection) -> list[Case]:
    """Every statement, and its bound."""
    known = known_in(conn)
    return [case for of_area in _AREAS for case in of_area(known)]


def _of_jobs(known: Known) -> list[Case]:
    own = {"id": known.job, **Viewer("acme").where}
    glances = json.dumps([
        {"place": place, "id": job_id, "tenant": "acme", "requester": None, "hidden": []}
        for place, job_id in enumerate(known.waiting[:128])
    ])  # fmt: skip
    seen = {**Viewer("acme").where, **JobFilter().where, "look": 2_000, "most": newer.MOST}
    return [
        Case(read, "_GET", own, 1),
        Case(read, "_HOLD", own, 1),
        Case(read, "_OF_IDS", {"ids": known.waiting[:1000]}, 1_000),
        Case(artifacts, "_ARTIFACTS", {"ids": [known.job], "tenant": "acme"}, 2),
        Case(glance, "_GLANCE", {"asked": glances}, 500),
        Case(seen_jobs, "_SEEN", {"asked": glances}, 500),
        Case(events, "_EVENTS", own, 4),
        Case(cancel, "_CANCEL", own, 3),
        Case(
            watch,
            "_CHANGED",
            {"ids": f"{{{','.join(known.waiting)}}}", "versions": f"{{{','.join('0' * 5000)}}}"},
            10_000,
        ),
        Case(newer, "_NEWER", {**seen, "tenant": "acme", "than": START, "newest": _NEWEST}, 2_000),
        Case(newer, "_NEWER", {**seen, "tenant": "rare", "than": START, "newest": _NEWEST}, 3),
        Case(newer, "_NEWER", {**seen, "tenant": "silent", "than": known.job, "newest": _NEWEST}, 1),
        Case(recent, "_LOOK", {"tenants": ["acme", "silent"], "ids": known.waiting[:1000], "most": 100}, 1_300),
        Case(why, "_JOB", own, 1),
        Case(why, "_WAITS", {"tenant": "acme", "id": _NEWEST, **_WAITS}, 503),
        Case(why, "_WAITS", {"tenant": "silent", "id": _NEWEST, **_WAITS}, 503),
        Case(why, "_CLOSED", {"id": known.job}, 25),
    ]


def _of_sweeps(known: Known) -> list[Case]:
    """Sweeping, retention, erasures, reuse: what walks over jobs."""
    own = {"id": known.job, **Viewer("acme").where}
    return [
        Case(
            sweep,
            "_EXPIRE",
            {**_A_SLICE, **sweep._EXPIRE_ERRORS, "spare_leases": False, "spared": "{}", "believed_until": None},
            4 * _SLICE,
        ),
        Case(sweep, "_OVERDUE", _A_SLICE, 2 * _SLICE + 3),
        Case(sweep, "_RING", {**_A_SLICE, "ring_cap_s": 3600, "heard_until": datetime.now(UTC)}, 4 * _SLICE),
        Case(
            backlog, "_BACKLOG", {"late_after_s": 60, "slice": _SLICE, "after": START, "silent_s": 50}, 2 * _SLICE + 3
        ),
        Case(unfinished, "_LOOK", {}, 1),
        Case(unfinished, "_ANNOUNCE", {"reached": START, "settled": known.job, "most": _SLICE}, _SLICE + 1),
        Case(unfinished, "_FENCE", {"announced": known.job}, 1),
        Case(unfinished, "_REACH", {"reached": known.floor.reached, "announced": known.floor.announced}, _SLICE + 2),
        Case(unfinished, "_PRUNE", _A_SLICE, 3 * _SLICE),
        Case(retention, "_EXPIRED", {"after": START, "slice": 300}, 1_500),
        Case(retention, "_DROP", {"jobs": [known.job], "names": ["calendar.csv"]}, 1),
        Case(retention, "_FORGET_JOBS", {"after": START, "slice": 300}, 1_500),
        Case(retention, "_FORGET_KEYS", {"after": START, "slice": 300, "keep_s": 0}, 1_500),
        Case(
            retention,
            "_UNREFERENCED",
            {
                "tenants": ["acme"] * 2,
                "jobs": [known.job] * 2,
                "tokens": [known.job] * 2,
                "names": ["calendar.csv", "other.csv"],
            },
            6,
        ),
        Case(keeping, "_KEEP", {"id": known.job, "keep_files_s": 10**9, "keep_s": 10**9}, 2),
        Case(erasure, "_DELETE", {**own, "running": False}, 6),
        Case(erasure, "_CLAIM", {"limit": 25}, 125),
        Case(erasure, "_BLANK_AGAIN", {"jobs": [known.job] * 25}, 25),
        Case(erasure, "_DONE", {"jobs": [known.job] * 25}, 50),
        Case(erasure, "_LATER", {"jobs": [known.job] * 25, "most_s": 60}, 25),
        Case(erasure, "_WAITING", {}, 1),
        Case(erasure, "_BACKLOG", {}, 10_000),
        Case(reuse, "_LOCK", {"name": "acme/x"}, 0),
        Case(reuse, "_FIND", {"tenant": "acme", "key": "often", "max_age_s": 10**6}, 20),
        Case(reuse, "_FIND", {"tenant": "acme", "key": "never", "max_age_s": 10**6}, 20),
    ]


def _of_access(known: Known) -> list[Case]:
    """Keys, sessions, links, saved views, the audit trail, secrets."""
    key = {"tenant": "acme", "id": known.api_key, "ids": [known.api_key], "request": "7", "overlap_s": 60, "limit": 21,
           "at": api_keys._END, "beginning": api_keys._BEGINNING}  # fmt: skip
    trail = {"tenant": "acme", **audit_trail._END._asdict(), "since": audit_trail._BEGINNING, "action": None,
             "subject": None, "look": 21, "limit": 21}  # fmt: skip
    view = {"id": known.job, "tenant": "acme", "owner": "p1", "page": "jobs", "most": saved_views.MOST}
    link = {
        "id": UUID(hex=f"{7:012x}00000000000000000009"),
        "job_id": UUID(hex=f"{7:012x}00000000000000000008"),
        "token_sha256": hashlib.sha256(b"7").digest(),
        "tenant": "acme",
        "request": "7",
        "maker": "p7",
        "by": "p7",
        "before": _NEWEST,
        "limit": 21,
    }
    session = {"hash": hashlib.sha256(b"1").digest(), "idle_s": 3600}
    return [
        Case(api_keys, "_OWNER", key, 1),
        Case(api_keys, "_GET", key, 1),
        Case(api_keys, "_MADE_BY", key, 1),
        Case(api_keys, "_LIST", key, 21),
        Case(api_keys, "_LIST", {**key, "tenant": "silent"}, 21),
        Case(api_keys, "_REVOKE", key, 1),
        Case(api_keys, "_END_AFTER", key, 1),
        Case(api_keys, "_USED", key, 2),
        Case(api_keys, "_FORGET", {"after": "", "slice": 300, "keep_s": 31 * 86_400}, 1_200),
        Case(rates, "_LEASE", {"tenant": "acme", "least": 1, "most": 9, "debt": 0, "per_s": 9.5, "burst": 20.0}, 2),
        Case(rates, "_FORGET", {"slice": 100}, 200),
        Case(sessions, "_HOLDER", session, 2),
        Case(sessions, "_SEEN", session, 1),
        Case(sessions, "_END", session, 1),
        Case(sessions, "_OF_HOLDER", {"tenant": "acme", "holder": known.session_holder, "most": 100}, 100),
        Case(sessions, "_FORGET", {"slice": 100}, 200),
        Case(sign_in_codes, "_REDEEM", session, 2),
        Case(sign_in_codes, "_FORGET", {"slice": 100}, 200),
        Case(shares, "_LIVE", {**link, "most": 100}, 100),
        Case(shares, "_MADE_BY", link, 2),
        Case(shares, "_LIST", {**link, "maker": None}, 42),
        Case(shares, "_OF_JOB", link, 42),
        Case(shares, "_GET", link, 3),
        Case(shares, "_REVOKE", link, 2),
        Case(shares, "_LOOK", link, 2),
        Case(shares, "_TAKE", link, 4),
        Case(shares, "_FORGET", {"keep_s": 30 * 86_400, "slice": 100}, 300),
        Case(saved_views, "_LIST", view, 2 * saved_views.MOST),
        Case(saved_views, "_HOW_MANY", view, saved_views.MOST),
        Case(saved_views, "_HOW_MANY", {**view, "owner": None}, saved_views.MOST),
        Case(saved_views, "_GET", view, 1),
        Case(saved_views, "_DELETE", view, 1),
        Case(audit_trail, "_LIST_OF_TENANT", trail, 21),
        Case(audit_trail, "_LIST_OF_TENANT", {**trail, "tenant": "silent"}, 21),
        Case(audit_trail, "_LIST_OF_TENANT", {**trail, "subject": "ann", "look": 500}, 500),
        Case(audit_trail, "_LIST_OF_TENANT", {**trail, "action": "none", "look": 500}, 500),
        Case(audit_trail, "_LIST_OF_OBJECT", {**trail, "object": "jobs/7"}, 21),
        Case(audit_trail, "_LIST_OF_OBJECT", {**trail, "object": "jobs/none"}, 21),
        Case(audit_trail, "_FORGET", {"slice": 300, "keep_s": 0}, 1_200),
        Case(passwords, "_READ", {"job_id": START}, 1),
        Case(passwords, "_BY_KEY", {}, 2 * _MANY),  # an operator's, of all of them
        Case(passwords, "_OTHERS", {"after": UUID(int=0), "newest": "another"}, 2 * 100),
        Case(passwords, "_RESEAL", {"job_id": START, "key_id": "k", "sealed": b""}, 1),
    ]


def _of_gates(known: Known) -> list[Case]:
    """Pauses, caps, and the doorbells and jobs that they hold."""
    gate = {"kind": "tenant", "name": "acme"}
    return [
        Case(admission, "_LOOK", {"ids": f"{{{','.join(known.waiting[:100])}}}"}, 201),
        Case(admission, "_START", {"ids": f"{{{','.join(known.waiting[:100])}}}", "worker": "w", "lease_s": 60}, 100),
        Case(caps, "_SET", {**gate, "running": 5}, 5),
        Case(caps, "_REMOVE", gate, 30),
        Case(caps, "_LIST", {}, 40),
        Case(caps, "_GET", gate, 40),
        Case(caps, "_LOCK_FREE", {"gates": '[{"kind": "tenant", "name": "acme", "many": 4}]'}, 60),
        Case(caps, "_TRULY_FREE", {"slots": '[{"kind": "tenant", "name": "acme", "number": 1}]'}, 10),
        Case(
            caps,
            "_FILL",
            {"taken": f'[{{"kind": "tenant", "name": "acme", "number": 1, "job_id": "{known.job}"}}]'},
            10,
        ),
        Case(caps, "_ROOM", {}, 40),
        Case(caps, "_ADOPT", {**gate, **_A_SLICE}, 3 * _SLICE),
        Case(queue_caps, "_SET", {"tenant": "acme", "most": 5}, 1),
        Case(queue_caps, "_REMOVE", {"tenant": "acme"}, 1),
        Case(queue_caps, "_LIST", {}, 10),
        Case(queue_caps, "_GET", {"tenant": "acme"}, 1),
        Case(queue_caps, "_LOCK", {"tenant": "acme"}, 1),
        Case(queue_caps, "_COUNT", {"tenant": "acme", **_A_SLICE}, 3 * _SLICE + 10),
        Case(queue_caps, "_COUNT", {"tenant": "late", **_A_SLICE}, 3 * _SLICE + 10),
        Case(queue_caps, "_COUNT", {"tenant": "rare", **_A_SLICE}, 10),
        Case(queue_caps, "_KNOWN", {"ids": known.waiting[:100]}, 100),
        Case(gates, "_LOCK", {"gate": "tenant acme"}, 1),
        Case(gates, "_TELL_SOURCES", {"sources": '{"calendar": "default"}'}, 2),
        Case(gates, "_KNOWN", {"kind": "source", "name": "warehouse"}, 10),
        Case(pauses, "_PAUSE", {**gate, "reason": "", "by": "", "until": None}, 1),
        Case(pauses, "_RESUME", gate, 1),
        Case(pauses, "_LIST", {}, 1),
        Case(pauses, "_GET", gate, 1),
        Case(pauses, "_OVER", {}, 1),
        Case(pauses, "_GIVE_BACK_TIME", {**gate, **_A_SLICE}, 5 * _SLICE),
        Case(pauses, "_SETTLED_UPTO", {**gate, "upto": known.job}, 1),
        Case(pauses, "_FORGET", gate, 1),
        Case(held, "_HOLD", {"rows": f'[{{"job_id": "{known.job}"}}]'}, 1),
        Case(held, "_ANY", {}, 1),
        Case(held, "_NEXT", {"most": 500}, 4 * 168 + 8),  # three tenants, one of them with two report types
        Case(held, "_TAKE", {"ids": known.held}, 3 * len(known.held)),
        Case(held, "_UNSTARTED", {"ids": known.held}, len(known.held)),
        Case(held, "_COUNT", {}, 10_000),
    ]


def _of_schedules(known: Known) -> list[Case]:
    return [
        Case(due, "_DUE", {"most": 90}, 4 * 90),
        Case(due, "_WAITING", {"most": 90}, 10),
        Case(due, "_ANY", {}, 5),
        Case(due, "_OLDEST", {}, 4),
        Case(due, "_BACKFILL", {"id": known.job, "tenant": "acme", "ticks": []}, 1),
        Case(schedule_history, "_LIST", {"id": known.job, "before": "infinity", "limit": 21}, 21),
        Case(
            schedule_history,
            "_LATEST",
            {"ids": [UUID(int=7)] * 25, "tenant": "acme", "requester": None, "hidden": [], "each": 10},
            250,
        ),
        Case(schedule_history, "_MISSED", {"within_s": 3_600}, 10_001),
        Case(schedule_history, "_FORGET", {"keep_s": 0, "slice": 100}, 500),
        Case(from_files, "_LOCK", {}, 0),
        *[Case(from_files, name, {}, 0) for name in ("_OF_FILES", "_HOLD")],
        Case(from_files, "_MARK", {"id": known.job, "file": "daily", "digest": ""}, 1),
        Case(from_files, "_SEEN", {"ids": [known.job]}, 2),
        Case(from_files, "_GONE", {"id": known.job}, 1),
        Case(schedules, "_GET", {"id": known.job, "tenant": "acme", "owner": None}, 1),
        Case(schedules, "_LIST", {"tenant": "acme", "owner": None, "before": NEWEST, "limit": 21}, 21),
        Case(schedules, "_COUNT", {"tenant": "acme", "most": 1_000}, 1_000),
    ]


def _of_figures(known: Known) -> list[Case]:
    """Counts of jobs, measurements, workers."""
    month = {"tenant": "acme", "days": 30, "hours": 744, "minutes": 500}
    busy = {"types": ["t1", "t2", "none"], "outcomes": ["SUCCESS", "FAILED"], "minutes": 100,
            "period_s": 8 * 86_400}  # fmt: skip
    return [
        Case(rollups, "_FOLD", {"keep_s": 0, "most": 100}, 600),
        Case(rollups, "_FORGET", {"keep_s": 0}, 10_000),
        Case(rollups, "_RECENT", {"tenants": ["acme"] * 3, "report_types": ["t1", "t2", "none"], "minutes": 60}, 120),
        Case(rollups, "_FORGET_TOTALS", {"keep_s": 86_400, "most": 100}, 300),
        # A week of minutes, of three outcomes.
        Case(rollups, "_FORGET_ACCEPTED", {"keep_s": 86_400, "most": 100}, 300),
        Case(totals, "_ACCEPTED", {"period_s": 3_600, "step_s": 60, "look": 62}, 62),
        Case(totals, "_ACCEPTED", {"period_s": 7 * 86_400, "step_s": 3_600, "look": 10_141}, 10_141),
        Case(totals, "_SERIES", {"period_s": 3_600, "step_s": 60, "look": 186}, 186),
        Case(totals, "_SERIES", {"period_s": 7 * 86_400, "step_s": 3_600, "look": 30_423}, 30_423),
        Case(totals, "_FAILING", {"lately_s": 900, "before_s": 86_400, "look": 4_400}, 4_400),
        Case(totals, "_BY_TYPE", {"period_s": 86_400, "most": 10, "look": 500}, 500),
        Case(type_totals, "_DAYS", {**month, "type": "t1"}, 500 + 744),
        Case(type_totals, "_DAYS", {**month, "type": "none"}, 0),
        Case(type_totals, "_OF_TYPES", {**busy, "tenant": "acme"}, 210),
        Case(type_totals, "_OF_TYPES", {**busy, "tenant": "rare"}, 1),
        Case(measurements, "_READ", {}, len(Subject)),
        Case(measurements, "_WRITE", {"subject": "queue", "facts": "{}", "fresh_s": 0}, 1),
        Case(workers, "_LIST", {"most": 200, "silent_s": 50}, 200),
    ]


def _of_bulk_actions(known: Known) -> list[Case]:
    of_tenant = {"tenant": "acme", "subject": "ann", "before": _NEWEST, "oldest": START, "limit": 21, "most": 3,
                 "request": "7"}  # fmt: skip
    an_action = {"id": _BULK, "bulk": _BULK, "bulk_id": _BULK, "own": None, "outcome": "refused"}
    begun: dict[str, object] = {
        "reason": "",
        "sees_only": None,
        "hidden": [],
        "terms": None,
        "key_id": None,
        "request_id": None,
        "address": None,
    }
    created = {**of_tenant, **an_action, **begun, "id": UUID(int=1), "action": "cancel", "state": "RUNNING",
               "filter": "{}", "matched": "{}", "until": datetime.now(UTC), "horizon": _NEWEST,
               "digest": ""}  # fmt: skip
    some_jobs = [UUID(job_id) for job_id in known.waiting[:100]]
    picking = {"ids": some_jobs, **listing.parameters(Viewer("acme"), JobFilter(), look=1, before=_NEWEST)}
    acting = {**an_action, "ids": some_jobs, "makes": some_jobs, "noted": "[]"}
    moving = {
        "bulk": _BULK,
        "position": _NEWEST,
        "done": False,
        "pause_s": 1,
        "outcomes": "{}",
        "error": "",
        "most_s": 1,
    }
    return [
        Case(bulk, "_NOW", {}, 0),
        Case(bulk, "_CREATE", created, 2),
        Case(bulk, "_GET", {**of_tenant, **an_action}, 1),
        Case(bulk, "_HOLD", {**of_tenant, **an_action}, 1),
        Case(bulk, "_MADE_BY", of_tenant, 1),
        Case(bulk, "_ONE_AT_A_TIME", of_tenant, 0),
        Case(bulk, "_RUNNING", of_tenant, 3),
        Case(bulk, "_RUN", {**an_action, **begun}, 1),
        Case(bulk, "_STOP", {**an_action, "by": None}, 1),
        Case(bulk, "_LIST", of_tenant, 21),
        Case(bulk, "_LIST_OWN", of_tenant, 21),
        Case(bulk_results, "_LIST", {**of_tenant, **an_action}, 21),
        Case(bulk_results, "_LIST_OF_OUTCOME", {**of_tenant, **an_action}, 21),
        Case(bulk_results, "_FORGET", {"before": _NEWEST, "slice": 100}, 600),
        Case(bulk_slices, "_WAITING", {}, 1),
        Case(bulk_slices, "_CLAIM", {}, 2),
        Case(bulk_slices, "_LOCK", picking, 200),
        Case(bulk_slices, "_ACT", acting, 0),  # the function looks jobs up by their ids
        Case(bulk_slices, "_NOTE", acting, 0),
        Case(bulk_slices, "_MOVE", moving, 1),
        Case(bulk_slices, "_LATER", moving, 1),
        Case(bulk_slices, "_STANDING", {}, 10_000),
    ]


def _of_messages(known: Known) -> list[Case]:
    """The outbox, parked messages, copies of dead letters."""
    met = {"message_id": "m1", "job_id": str(known.job), "body": "", "size_bytes": 0, "reason": "", "receives": 1}
    return [
        Case(messages, "_WAITING", {"floor": 0}, 2),
        Case(messages, "_CLAIM", {"floor": 0, "limit": 100}, 302),
        Case(messages, "_CLAIM_DUE", {"limit": 100}, 300),
        Case(messages, "_DUE_AT_LEAST", {}, 10_000),
        Case(messages, "_BACKLOG", {"floor": 0}, 2),
        Case(parked, "_LIST", {"after": 0, "most": 100}, 100),
        Case(parked, "_FIND", {"ids": "{1,2,3}"}, 3),
        Case(parked, "_REQUEUE", {"ids": "{1,2,3}", "reason": "x", "longest": 500}, 6),
        Case(parked, "_DROP", {"ids": "{1,2,3}"}, 6),
        Case(dead_letters, "_DUE", {}, len(Subject)),
        Case(dead_letters, "_BEGIN_LOOK", {"pause_s": 60}, 3),
        Case(dead_letters, "_END_LOOK", {"facts": "{}", "pause_s": 60}, len(Subject)),
        Case(dead_letters, "_LOOK_NOW", {}, len(Subject)),
        Case(dead_letters, "_COPY", {"met": json.dumps([met])}, 2),
        Case(dead_letters, "_ANY", {}, 1),
        Case(dead_letters, "_DONE", {"ids": ["m1", "m2"]}, 2),
        Case(dead_letters, "_FORGET", {"unseen_s": 3600, "wished_s": 3600}, 2_000),
        Case(dead_letters, "_LIST", {"after": 0, "limit": 21}, 21),
        Case(dead_letters, "_FIND", {"ids": ["m1", "m2"]}, 2),
        Case(dead_letters, "_FIND_ALL", {"ours": True, "limit": 100}, 200),
        Case(dead_letters, "_WISH", {"ids": ["m1", "m2"], "wish": "drop", "by": "ann"}, 4),
    ]


_AREAS = [
    _of_jobs, _of_sweeps, _of_access, _of_gates, _of_schedules, _of_figures, _of_bulk_actions, _of_messages,
]  # fmt: skip


_FAILED, _UNFINISHED = [JobStatus.FAILED], [JobStatus.PENDING, JobStatus.PROCESSING]
_LISTS: list[tuple[str, Viewer, JobFilter, int]] = [
    ("tenant", Viewer("acme"), JobFilter(), 21),
    ("tenant", Viewer("acme"), JobFilter(statuses=[JobStatus.SUCCESS]), 500),
    ("tenant", Viewer("acme"), JobFilter(statuses=[JobStatus.CANCELLED]), 500),
    ("tenant", Viewer("acme"), JobFilter(report_type="no_such_type"), 500),
    ("tenant", Viewer("acme"), JobFilter(took_s=86_400), 500),
    ("tenant", Viewer("silent"), JobFilter(), 21),
    ("tenant", Viewer("silent"), JobFilter(statuses=[JobStatus.CANCELLED]), 500),
    ("tenant", Viewer("acme"), JobFilter(created_before=datetime(2020, 1, 1, tzinfo=UTC)), 0),
    ("tenant", Viewer("acme"), JobFilter(created_after=datetime(2100, 1, 1, tzinfo=UTC)), 0),
    # In the next, each job is looked up by its id besides.
    ("requester", Viewer("silent", "ann"), JobFilter(), 2 * 21),
    ("requester", Viewer("silent"), JobFilter(requester="ann", statuses=[JobStatus.CANCELLED]), 2 * 500),
    ("requester", Viewer("silent", "nobody"), JobFilter(), 0),
    ("retry_of", Viewer("acme"), JobFilter(retry_of=UUID(int=7)), 0),
    ("schedule", Viewer("acme"), JobFilter(schedule=UUID(int=7)), 0),
    ("tenant", Viewer("acme"), JobFilter(id_begins="00000000"), 0),
    ("tenant", Viewer("acme"), JobFilter(id_begins="0"), 21),
    ("requester", Viewer("silent", "ann"), JobFilter(id_begins="0"), 2 * 21),
    ("label", Viewer("acme"), JobFilter(labels={"team": "finance"}), 500 + 21),
    ("label", Viewer("acme"), JobFilter(labels={"team": "finance", "not": "there"}), 2 * 500),
    ("label", Viewer("acme"), JobFilter(labels={"team": "other"}), 0),
    ("label", Viewer("rare"), JobFilter(labels={"team": "finance"}, report_type="calendar"), 4),
    ("failed", Viewer("rare"), JobFilter(statuses=_FAILED), 2),
    ("failed", Viewer("acme"), JobFilter(statuses=_FAILED), 0),
    ("failed", Viewer("unlucky"), JobFilter(statuses=_FAILED), 500 + 21),
    ("failed_own", Viewer("unlucky", "ann"), JobFilter(statuses=_FAILED), 500 + 21),
    ("failed_own", Viewer("unlucky", "ben"), JobFilter(statuses=_FAILED), 0),
    ("failed_with", Viewer("unlucky"), JobFilter(error_code="boom"), 500 + 21),
    ("failed_with", Viewer("unlucky"), JobFilter(error_code="other"), 0),
    ("bulk", Viewer("acme"), JobFilter(bulk=_BULK), 2 * 500),
    ("bulk", Viewer("acme"), JobFilter(bulk=UUID(int=7)), 0),
    # The floor is looked at twice.
    ("unfinished", Viewer("rare"), JobFilter(statuses=_UNFINISHED), 2 + 2),
    ("unfinished", Viewer("acme"), JobFilter(statuses=_UNFINISHED), 500 + 21 + 2),
    ("unfinished", Viewer("late"), JobFilter(statuses=_UNFINISHED), 2 * 500 + 21 + 2),
    ("unfinished", Viewer("unlucky"), JobFilter(statuses=_UNFINISHED), 2),
    ("not_well", Viewer("rare"), JobFilter(statuses=_FAILED + _UNFINISHED), 4 + 2),
    ("not_well", Viewer("unlucky"), JobFilter(statuses=_FAILED + _UNFINISHED), 500 + 21 + 2),
]
"""The order that a list walks, for whom, what, and how many rows it fetches at most."""


@pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
@pytest.mark.parametrize("before", ["newest", "middle"])
def test_a_list_looks_at_what_it_shows_and_a_filter_at_a_bounded_number(
    crowded: Engine, before: str, generic: bool
) -> None:
    beyond: dict[str, object] = {}
    with crowded.connect() as conn:
        middle = conn.execute(text("SELECT id FROM jobs WHERE tenant = 'silent' ORDER BY id OFFSET 5000 LIMIT 1"))
        top = NEWEST if before == "newest" else middle.scalar_one()
        for order, viewer, wanted, most in _LISTS:
            seen = viewer._replace(requester=wanted.requester or viewer.requester)
            assert listing.order_for(seen, wanted) == order
            parameters = listing.parameters(seen, wanted, look=500 if wanted.narrows else 21, before=top)
            walk = listing.WALKS[order]
            for statement, bound in ((walk.page, most), (walk.end, 500 if most else most), (walk.pick, 2 * 500)):
                more = {"limit": 21, "bytes": listing._MOST_BYTES, "until": datetime.now(UTC)}
                asked = plans.used(statement, {**parameters, **more})
                fetched = plans.visited(conn, statement, asked, generic=generic)
                looked_at = sum(fetched.values())
                # Up to two ranges meet the last job of the page before, and leave it out.
                if looked_at > 2 + (bound if statement is walk.page else max(bound, 2 * 500 + 2)):
                    beyond[f"{statement_name(statement.text)} {viewer} {wanted}"] = (fetched, bound)

    assert beyond == {}
    assert {order for order, *_ in _LISTS} == set(listing.WALKS)


@pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
def test_what_a_statement_looks_at_is_bounded(crowded: Engine, generic: bool) -> None:
    with crowded.connect() as conn:
        assert plans.beyond(conn, cases(conn), generic=generic) == {}


@pytest.mark.parametrize(
    "module",
    [
        admission,
        artifacts,
        audit_trail,
        bulk,
        bulk_results,
        bulk_slices,
        caps,
        erasure,
        from_files,
        gates,
        pauses,
        queue_caps,
        read,
        events,
        cancel,
        held,
        keeping,
        reuse,
        sweep,
        backlog,
        retention,
        unfinished,
        watch,
        why,
        parked,
        dead_letters,
        measurements,
        passwords,
        totals,
        type_totals,
    ],
    ids=lambda m: m.__name__,
)
def test_every_statement_is_asked(crowded: Engine, module: ModuleType) -> None:
    with crowded.connect() as conn:
        assert plans.not_asked(module, cases(conn)) == set()


@pytest.mark.parametrize(
    ("wanted", "where"),
    [
        (JobFilter(statuses=[JobStatus.CANCELLED]), "status = 'CANCELLED'"),
        (JobFilter(report_type="rare"), "report_type = 'rare'"),
        (JobFilter(), "true"),
    ],
)
def test_a_list_with_few_matches_is_walked_to_its_end_page_by_page(
    crowded: Engine, monkeypatch: pytest.MonkeyPatch, wanted: JobFilter, where: str
) -> None:
    monkeypatch.setattr(listing, "LOOK", 3_000)
    found: list[UUID] = []
    pages = 0
    before: UUID | None = None
    with crowded.connect() as conn:
        while pages == 0 or before is not None:
            page = listing.list_jobs(conn, Viewer("acme"), size=3_000, before=before, wanted=wanted)
            found += [job.id for job in page.jobs]
            before = page.next_before
            pages += 1
        expected = (
            conn.execute(text(f"SELECT id FROM jobs WHERE tenant = 'acme' AND {where} ORDER BY id DESC"))
            .scalars()
            .all()
        )

    assert found == list(expected)
    assert pages == 7
