"""No statement of a read or a sweep looks at more rows when there are more rows: its plan is part of its contract."""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import ModuleType
from typing import NamedTuple
from uuid import UUID

import pytest
from sqlalchemy import TextClause, text
from sqlalchemy.engine import Connection, Engine

from shared.access import api_keys, audit_trail, sessions
from shared.database.engine import create_engine
from shared.database.statements import statement_name
from shared.jobs import (
    admission,
    artifacts,
    backlog,
    cancel,
    caps,
    erasure,
    events,
    gates,
    held,
    keeping,
    listing,
    pauses,
    read,
    recent,
    retention,
    reuse,
    rollups,
    sweep,
    unfinished,
    watch,
    why,
)
from shared.jobs.filters import NEWEST, JobFilter
from shared.jobs.gates import Gate, Kind
from shared.jobs.states import JobStatus
from shared.jobs.viewer import Viewer
from shared.jobs.walk import START
from shared.outbox import messages, parked
from tests.support.postgres import fill, plans, server

_MANY = 10_000
"""Jobs of the large tenant: far more than any statement may look at."""
_SLICE = 1_000


class Case(NamedTuple):
    """A statement with parameters that would tempt it to look at everything."""

    module: ModuleType
    name: str
    parameters: Mapping[str, object]
    most: int
    """Rows it may fetch, of all tables together."""


@pytest.fixture(scope="module")
def crowded(postgres_server: server.Server) -> Iterator[Engine]:
    """Many finished, many waiting and a few running jobs of one tenant, and many messages."""
    with server.database(postgres_server) as url:
        engine = create_engine(url, application_name="test")
        with engine.connect() as conn:
            fill.jobs(conn, _MANY, age_s=3600, keep_artifacts_s=0, keep_s=0)
            fill.keys(conn)
            fill.jobs(
                conn, _MANY, tenant="silent", age_s=7200, requester="ann"
            )  # all of them older than everybody else's
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
            fill.api_keys(conn, _MANY, tenant="silent")
            fill.api_keys(conn, _MANY)
            fill.console_sessions(conn, _MANY)
            while unfinished.advance_floor(conn):
                pass
            fill.jobs(conn, 2 * _SLICE, tenant="late", status="PENDING", age_s=10)
            fill.minutes(conn)
            _begin_to_rise(conn)
            conn.execute(text("VACUUM ANALYZE"))
            caps.set_cap(conn, Gate(Kind.TENANT, "acme"), 10)
            pauses.pause(conn, Gate(Kind.TENANT, "paused"), reason="", by="")
        yield engine
        engine.dispose()


def _begin_to_rise(conn: Connection) -> None:
    """The floor is about to pass `_SLICE` jobs: only then has its last step something to look at."""
    reached = conn.execute(unfinished._LOOK).one().reached
    next_floor = {"reached": reached, "settled": UUID(int=2**128 - 1), "most": _SLICE}
    announced = conn.execute(unfinished._ANNOUNCE, next_floor).scalar_one()
    conn.execute(unfinished._FENCE, {"announced": announced})


def cases(conn: Connection) -> list[Case]:
    """Every statement, and its bound."""
    one = conn.execute(
        text("SELECT id FROM jobs WHERE tenant = 'acme' AND finished_at IS NOT NULL ORDER BY id LIMIT 1")
    ).scalar_one()
    own = {"id": one, **Viewer("acme").where}
    watched = conn.execute(text("SELECT id::text FROM jobs WHERE status = 'PENDING' LIMIT 5000")).scalars().all()
    newest = UUID(int=2**128 - 1)
    floor = conn.execute(unfinished._LOOK).one()
    waiting = conn.execute(text("SELECT job_id FROM held ORDER BY job_id LIMIT 100")).scalars().all()
    gate = {"kind": "tenant", "name": "acme"}
    slice_ = {"after": START, "slice": _SLICE, "ring_after_s": 30}
    known = conn.execute(text("SELECT id FROM api_keys WHERE tenant = 'acme' ORDER BY id LIMIT 1")).scalar_one()
    key = {"tenant": "acme", "id": known, "ids": [known], "request": "7", "overlap_s": 60, "limit": 21,
           "at": api_keys._END, "beginning": api_keys._BEGINNING}  # fmt: skip
    trail = {"tenant": "acme", **audit_trail._END._asdict(), "since": audit_trail._BEGINNING, "action": None,
             "subject": None, "look": 21, "limit": 21}  # fmt: skip
    session = {"hash": hashlib.sha256(b"1").digest(), "idle_s": 3600}
    return [
        Case(read, "_GET", own, 1),
        Case(read, "_HOLD", own, 1),
        Case(read, "_OF_IDS", {"ids": watched[:1000]}, 1_000),
        Case(artifacts, "_ARTIFACTS", {"ids": [one], "tenant": "acme"}, 2),
        Case(events, "_EVENTS", own, 4),
        Case(cancel, "_CANCEL", own, 3),
        Case(watch, "_CHANGED", {"ids": f"{{{','.join(watched)}}}", "versions": f"{{{','.join('0' * 5000)}}}"}, 10_000),
        Case(sweep, "_EXPIRE", {**slice_, **sweep._EXPIRE_ERRORS, "spare_leases": False, "spared": "{}"}, 4 * _SLICE),
        Case(sweep, "_OVERDUE", slice_, 2 * _SLICE + 3),
        Case(sweep, "_RING", {**slice_, "ring_cap_s": 3600, "heard_until": datetime.now(UTC)}, 4 * _SLICE),
        Case(
            backlog, "_BACKLOG", {"late_after_s": 60, "slice": _SLICE, "after": START, "silent_s": 50}, 2 * _SLICE + 3
        ),
        Case(why, "_JOB", own, 1),
        Case(why, "_AHEAD", {"tenant": "acme", "id": newest, "look": 500, "most": 100}, 500),
        Case(why, "_AHEAD", {"tenant": "silent", "id": newest, "look": 500, "most": 100}, 500),
        Case(why, "_CLOSED", {"id": one}, 25),
        Case(why, "_HELD", {"id": one}, 1),
        Case(why, "_UNSENT", {"look": 1_000}, 2),
        Case(recent, "_LOOK", {"tenants": ["acme", "silent"], "ids": watched[:1000], "most": 100}, 1_300),
        Case(rollups, "_FOLD", {"keep_s": 0, "most": 100}, 600),
        Case(rollups, "_FORGET", {"keep_s": 0}, 10_000),
        Case(rollups, "_RECENT", {"tenants": ["acme"] * 3, "report_types": ["t1", "t2", "none"], "minutes": 60}, 120),
        Case(unfinished, "_LOOK", {}, 1),
        Case(unfinished, "_ANNOUNCE", {"reached": START, "settled": one, "most": _SLICE}, _SLICE + 1),
        Case(unfinished, "_FENCE", {"announced": one}, 1),
        Case(unfinished, "_REACH", {"reached": floor.reached, "announced": floor.announced}, _SLICE + 2),
        Case(unfinished, "_PRUNE", slice_, 3 * _SLICE),
        Case(retention, "_EXPIRED", {"after": START, "slice": 300}, 1_500),
        Case(retention, "_DROP", {"jobs": [one], "names": ["calendar.csv"]}, 1),
        Case(retention, "_FORGET_JOBS", {"after": START, "slice": 300}, 1_500),
        Case(retention, "_FORGET_KEYS", {"after": START, "slice": 300, "keep_s": 0}, 1_500),
        Case(
            retention,
            "_UNREFERENCED",
            {"tenants": ["acme"] * 2, "jobs": [one] * 2, "tokens": [one] * 2, "names": ["calendar.csv", "other.csv"]},
            6,
        ),
        Case(api_keys, "_OWNER", key, 1),
        Case(api_keys, "_GET", key, 1),
        Case(api_keys, "_MADE_BY", key, 1),
        Case(api_keys, "_LIST", key, 21),
        Case(api_keys, "_LIST", {**key, "tenant": "silent"}, 21),
        Case(api_keys, "_REVOKE", key, 1),
        Case(api_keys, "_END_AFTER", key, 1),
        Case(api_keys, "_USED", key, 2),
        Case(sessions, "_HOLDER", session, 2),
        Case(sessions, "_SEEN", session, 1),
        Case(sessions, "_END", session, 1),
        Case(sessions, "_FORGET", {"slice": 100}, 200),
        Case(audit_trail, "_LIST_OF_TENANT", trail, 21),
        Case(audit_trail, "_LIST_OF_TENANT", {**trail, "tenant": "silent"}, 21),
        Case(audit_trail, "_LIST_OF_TENANT", {**trail, "subject": "ann", "look": 500}, 500),
        Case(audit_trail, "_LIST_OF_TENANT", {**trail, "action": "none", "look": 500}, 500),
        Case(audit_trail, "_LIST_OF_OBJECT", {**trail, "object": "jobs/7"}, 21),
        Case(audit_trail, "_LIST_OF_OBJECT", {**trail, "object": "jobs/none"}, 21),
        Case(audit_trail, "_FORGET", {"slice": 300, "keep_s": 0}, 1_200),
        Case(admission, "_LOOK", {"ids": f"{{{','.join(watched[:100])}}}"}, 201),
        Case(admission, "_START", {"ids": f"{{{','.join(watched[:100])}}}", "worker": "w", "lease_s": 60}, 100),
        Case(caps, "_SET", {**gate, "running": 5}, 5),
        Case(caps, "_REMOVE", gate, 30),
        Case(caps, "_LIST", {}, 40),
        Case(caps, "_LOCK_FREE", {"gates": '[{"kind": "tenant", "name": "acme", "many": 4}]'}, 60),
        Case(caps, "_TRULY_FREE", {"slots": '[{"kind": "tenant", "name": "acme", "number": 1}]'}, 10),
        Case(caps, "_FILL", {"taken": f'[{{"kind": "tenant", "name": "acme", "number": 1, "job_id": "{one}"}}]'}, 10),
        Case(caps, "_ROOM", {}, 40),
        Case(caps, "_ADOPT", {**gate, **slice_}, 3 * _SLICE),
        Case(gates, "_TELL_SOURCES", {"sources": '{"calendar": "default"}'}, 2),
        Case(pauses, "_PAUSE", {**gate, "reason": "", "by": "", "until": None}, 1),
        Case(pauses, "_RESUME", gate, 1),
        Case(pauses, "_LIST", {}, 1),
        Case(pauses, "_OVER", {}, 1),
        Case(pauses, "_GIVE_BACK_TIME", {**gate, **slice_}, 5 * _SLICE),
        Case(pauses, "_SETTLED_UPTO", {**gate, "upto": one}, 1),
        Case(pauses, "_FORGET", gate, 1),
        Case(held, "_HOLD", {"rows": f'[{{"job_id": "{one}"}}]'}, 1),
        Case(held, "_ANY", {}, 1),
        Case(held, "_NEXT", {"most": 500}, 4 * 168 + 8),  # three tenants, one of them with two report types
        Case(held, "_TAKE", {"ids": waiting}, 3 * len(waiting)),
        Case(held, "_UNSTARTED", {"ids": waiting}, len(waiting)),
        Case(held, "_COUNT", {}, 10_000),
        Case(erasure, "_DELETE", {**own, "running": False}, 6),
        Case(reuse, "_LOCK", {"name": "acme/x"}, 0),
        Case(reuse, "_FIND", {"tenant": "acme", "key": "often", "max_age_s": 10**6}, 20),
        Case(reuse, "_FIND", {"tenant": "acme", "key": "never", "max_age_s": 10**6}, 20),
        Case(keeping, "_KEEP", {"id": one, "keep_files_s": 10**9, "keep_s": 10**9}, 2),
        Case(erasure, "_CLAIM", {"limit": 25}, 125),
        Case(erasure, "_BLANK_AGAIN", {"jobs": [one] * 25}, 25),
        Case(erasure, "_DONE", {"jobs": [one] * 25}, 50),
        Case(erasure, "_LATER", {"jobs": [one] * 25, "most_s": 60}, 25),
        Case(erasure, "_WAITING", {}, 1),
        Case(erasure, "_BACKLOG", {}, 10_000),
        Case(messages, "_WAITING", {"floor": 0}, 2),
        Case(messages, "_CLAIM", {"floor": 0, "limit": 100}, 302),
        Case(messages, "_CLAIM_DUE", {"limit": 100}, 300),
        Case(messages, "_DUE_AT_LEAST", {}, 10_000),
        Case(messages, "_BACKLOG", {"floor": 0}, 2),
        Case(parked, "_LIST", {"most": 100}, 100),
        Case(parked, "_FIND", {"ids": "{1,2,3}"}, 3),
        Case(parked, "_REQUEUE", {"ids": "{1,2,3}", "reason": "x", "longest": 500}, 6),
        Case(parked, "_DROP", {"ids": "{1,2,3}"}, 6),
    ]


_FAILED, _UNFINISHED = [JobStatus.FAILED], [JobStatus.PENDING, JobStatus.PROCESSING]
_LISTS: list[tuple[str, Viewer, JobFilter, int]] = [
    ("tenant", Viewer("acme"), JobFilter(), 21),
    ("tenant", Viewer("acme"), JobFilter(statuses=[JobStatus.SUCCESS]), 500),
    ("tenant", Viewer("acme"), JobFilter(statuses=[JobStatus.CANCELLED]), 500),
    ("tenant", Viewer("acme"), JobFilter(report_type="no_such_type"), 500),
    ("tenant", Viewer("silent"), JobFilter(), 21),
    ("tenant", Viewer("silent"), JobFilter(statuses=[JobStatus.CANCELLED]), 500),
    ("tenant", Viewer("acme"), JobFilter(created_before=datetime(2020, 1, 1, tzinfo=UTC)), 0),
    ("tenant", Viewer("acme"), JobFilter(created_after=datetime(2100, 1, 1, tzinfo=UTC)), 0),
    # In the next, each job is looked up by its id besides.
    ("requester", Viewer("silent", "ann"), JobFilter(), 2 * 21),
    ("requester", Viewer("silent"), JobFilter(requester="ann", statuses=[JobStatus.CANCELLED]), 2 * 500),
    ("requester", Viewer("silent", "nobody"), JobFilter(), 0),
    ("retry_of", Viewer("acme"), JobFilter(retry_of=UUID(int=7)), 0),
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
            parameters = listing._parameters(seen, wanted, look=500 if wanted.narrows else 21, before=top)
            walk = listing.WALKS[order]
            for statement, bound in ((walk.page, most), (walk.end, 500 if most else most)):
                asked = _used(statement, {**parameters, "limit": 21, "bytes": listing._MOST_BYTES})
                fetched = plans.visited(conn, statement, asked, generic=generic)
                looked_at = sum(fetched.values())
                if looked_at > (bound if statement is walk.page else max(bound, 2 * 500 + 2)):
                    beyond[f"{statement_name(statement.text)} {viewer} {wanted}"] = (fetched, bound)

    assert beyond == {}
    assert {order for order, *_ in _LISTS} == set(listing.WALKS)


@pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
def test_what_a_statement_looks_at_is_bounded(crowded: Engine, generic: bool) -> None:
    with crowded.connect() as conn:
        beyond = {}
        for case in cases(conn):
            statement: TextClause = getattr(case.module, case.name)
            fetched = plans.visited(conn, statement, _used(statement, case.parameters), generic=generic)
            if sum(fetched.values()) > case.most:
                beyond[statement_name(statement.text), str(case.parameters)[:80]] = (fetched, case.most)

    assert beyond == {}


@pytest.mark.parametrize(
    "module",
    [
        admission,
        artifacts,
        audit_trail,
        caps,
        erasure,
        gates,
        pauses,
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
    ],
    ids=lambda m: m.__name__,
)
def test_every_statement_is_asked(crowded: Engine, module: ModuleType) -> None:
    with crowded.connect() as conn:
        asked = {case.name for case in cases(conn) if case.module is module}

    assert asked == {name for name, value in vars(module).items() if isinstance(value, TextClause)}


def _used(statement: TextClause, parameters: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in parameters.items() if name in statement._bindparams}


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
    monkeypatch.setattr(listing, "_LOOK", 3_000)
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
