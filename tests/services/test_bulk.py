"""Bulk actions: dry runs, carried out in slices, stopped; never beyond their horizon or their creator's view."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from services.api.actions import bulk as actions
from services.relay.bulk import BulkActions
from shared.access import api_keys
from shared.access.scopes import OWN
from shared.database.engine import transactional
from shared.jobs import bulk_results, bulk_slices, finish, picking, queue_caps, unfinished
from shared.jobs.filters import NEWEST
from shared.jobs.finish import Failure
from tests.support.api_app import an_app, finished, problem
from tests.support.jobs import a_job, count, row, started
from tests.support.promises import broken

TENANT = "default"


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    with TestClient(an_app(database_url, scratch), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def relay(engine: Engine) -> BulkActions:
    return BulkActions(engine, pause_s=0, most=3)


def made(client: TestClient, action: str, status: int = 201, **body: Any) -> dict[str, Any]:
    answer = client.post("/v1/bulk", json={"action": action, **body})
    assert answer.status_code == status, answer.text
    told: dict[str, Any] = answer.json()
    return told


def run(client: TestClient, bulk: dict[str, Any]) -> None:
    answer = client.post(bulk["links"]["run"])
    assert (answer.status_code, answer.json()["status"]) == (202, "RUNNING"), answer.text


def carried_out(client: TestClient, relay: BulkActions, bulk: dict[str, Any]) -> dict[str, Any]:
    for _ in range(100):
        if not relay.run_once():
            break
    told: dict[str, Any] = client.get(f"/v1/bulk/{bulk['bulkId']}").json()
    assert told["status"] == "DONE", told
    return told


def results(client: TestClient, bulk: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    token: str | None = None
    while True:
        page = client.get(
            f"/v1/bulk/{bulk['bulkId']}/results", params={**query, **({"pageToken": token} if token else {})}
        )
        assert page.status_code == 200, page.text
        found += page.json()["results"]
        token = page.json()["nextPageToken"]
        if token is None:
            return found


def some_jobs(conn: Connection, many: int, **changes: Any) -> list[UUID]:
    return [a_job(conn, tenant=TENANT, **changes) for _ in range(many)]


def failed(conn: Connection, **changes: Any) -> UUID:
    job_id = a_job(conn, tenant=TENANT, **changes)
    finish.fail(conn, [Failure(started(conn, job_id).lease, "boom", "it broke", retryable=False, delay_s=0)])
    return job_id


def status(conn: Connection, job_id: UUID) -> str:
    return str(row(conn, job_id).status)


def test_a_dry_run_counts_and_does_nothing(client: TestClient, conn: Connection, relay: BulkActions) -> None:
    waiting, running = some_jobs(conn, 5), started(conn, a_job(conn, tenant=TENANT)).lease.job_id
    failed(conn)

    bulk = made(client, "cancel", reason="asked by mistake")

    assert (bulk["status"], bulk["done"], bulk["handled"], bulk["outcomes"]) == ("DRY_RUN", False, 0, {})
    assert bulk["matched"] == {
        "jobs": 6, "atLeast": False, "byStatus": {"PENDING": 5, "PROCESSING": 1},
        "outcomes": {"cancelled": 5, "requested": 1},
    }  # fmt: skip
    assert bulk["filter"] == {"status": ["PENDING", "PROCESSING"]}
    assert relay.run_once() == 0
    assert {status(conn, job_id) for job_id in waiting} == {"PENDING"}
    assert row(conn, running).cancel_requested_at is None


def test_what_was_looked_at_is_carried_out_in_slices_and_told_job_by_job(
    client: TestClient, conn: Connection, relay: BulkActions
) -> None:
    waiting, running = some_jobs(conn, 7), started(conn, a_job(conn, tenant=TENANT)).lease.job_id
    bulk = made(client, "cancel", reason="asked by mistake")
    run(client, bulk)

    assert relay.run_once() == 1
    first = client.get(f"/v1/bulk/{bulk['bulkId']}")
    assert (first.json()["handled"], first.json()["status"], first.headers["retry-after"]) == (3, "RUNNING", "2")
    told = carried_out(client, relay, bulk)

    assert {status(conn, job_id) for job_id in waiting} == {"CANCELLED"}
    assert row(conn, running).cancel_requested_at is not None
    assert (told["handled"], told["outcomes"]) == (8, {"cancelled": 7, "requested": 1})
    assert {one["jobId"] for one in results(client, bulk, pageSize=3)} == {str(j) for j in [*waiting, running]}
    assert [one["jobId"] for one in results(client, bulk, outcome="requested")] == [str(running)]
    listed = client.get("/v1/jobs", params={"bulk": bulk["bulkId"], "status": "CANCELLED"}).json()["jobs"]
    assert {job["jobId"] for job in listed} == {str(job_id) for job_id in waiting}
    assert broken(conn, at_rest=False) == {}


def test_the_trail_has_an_entry_for_each_step_and_for_each_job(
    client: TestClient, conn: Connection, relay: BulkActions
) -> None:
    [job_id] = some_jobs(conn, 1)
    bulk = made(client, "cancel", reason="asked by mistake")
    run(client, bulk)
    carried_out(client, relay, bulk)

    trail = conn.execute(text("SELECT action, object, after FROM audit ORDER BY id")).all()
    place = f"bulk/{bulk['bulkId']}"
    assert [(one.action, one.object) for one in trail] == [
        ("bulk.create", place), ("bulk.run", place), ("jobs.cancel", f"jobs/{job_id}"),
    ]  # fmt: skip
    assert trail[0].after["reason"] == "asked by mistake"
    assert trail[2].after == {"outcome": "cancelled", "bulk": bulk["bulkId"]}


def test_jobs_that_are_accepted_later_are_never_met(
    client: TestClient, conn: Connection, relay: BulkActions, engine: Engine
) -> None:
    [before] = some_jobs(conn, 1)
    bulk = made(client, "cancel")
    [later] = some_jobs(conn, 1)
    # A clock that is behind gives a later job an older id.
    early = a_job(conn, tenant=TENANT, id=UUID(int=before.int - (1 << 80)))
    run(client, bulk)
    told = carried_out(client, relay, bulk)

    assert told["outcomes"] == {"cancelled": 1}
    assert [status(conn, job_id) for job_id in (before, later, early)] == ["CANCELLED", "PENDING", "PENDING"]
    # Nor does the database let a relay do so.
    conn.execute(text("UPDATE bulk_actions SET state = 'RUNNING', ended_at = NULL, due_at = now()"))
    acted = conn.execute(
        text("SELECT * FROM bulk_act(:bulk, :ids, :ids)"), {"bulk": bulk["bulkId"], "ids": [later, early]}
    )
    assert acted.all() == []


def test_a_retry_makes_one_new_job_of_each_original(client: TestClient, conn: Connection, relay: BulkActions) -> None:
    old = [failed(conn, labels={"team": "finance"}, priority=7) for _ in range(5)]
    whole = some_jobs(conn, 1)
    bulk = made(client, "retry", filter={"errorCode": "boom"}, reason="the source is back")
    assert bulk["matched"]["outcomes"] == {"retried": 5}
    run(client, bulk)
    told = carried_out(client, relay, bulk)

    assert told["outcomes"] == {"retried": 5}
    found = {UUID(one["jobId"]): UUID(one["newJobId"]) for one in results(client, bulk)}
    assert set(found) == set(old)
    for old_id, new_id in found.items():
        new, was = row(conn, new_id), row(conn, old_id)
        assert (new.status, new.retry_of, new.attempt, was.status) == ("PENDING", old_id, 0, "FAILED")
        assert (new.parameters, new.formats, new.labels, new.priority) == (was.parameters, was.formats, was.labels, 7)
        assert (new.max_attempts, new.max_crashes) == (3, 3)
    assert count(conn, "jobs") == 5 + 5 + len(whole)
    assert count(conn, "outbox") == 5 + 5 + len(whole)
    # An action that is set back, as by a restore, makes no second one.
    conn.execute(text("DELETE FROM bulk_results"))
    conn.execute(text("UPDATE bulk_actions SET state = 'RUNNING', ended_at = NULL, due_at = now(), position = horizon,"
                      " outcomes = '{}'"))  # fmt: skip
    carried_out(client, relay, bulk)
    assert {UUID(one["jobId"]): UUID(one["newJobId"]) for one in results(client, bulk)} == found
    assert count(conn, "jobs") == 5 + 5 + len(whole)
    assert broken(conn, at_rest=False) == {}


def test_what_cannot_be_done_is_refused_job_by_job_with_the_reason(
    client: TestClient, conn: Connection, relay: BulkActions
) -> None:
    gone = failed(conn, report_type="gone")
    other = failed(conn, formats=["pdf", "parquet"])
    [waiting] = some_jobs(conn, 1)
    good = failed(conn)
    bulk = made(client, "retry", 202, filter={"status": ["FAILED", "PENDING"]}, dryRun=False)
    assert bulk["status"] == "RUNNING"
    told = carried_out(client, relay, bulk)

    assert told["outcomes"] == bulk["matched"]["outcomes"]
    refused = {one["jobId"]: one["code"] for one in results(client, bulk, outcome="refused")}
    assert refused[str(gone)] == "unknown_report_type"
    assert refused[str(waiting)] == "not_ended"
    assert str(good) not in refused
    assert refused.get(str(other)) in {None, "unknown_format"}


def test_deleted_jobs_are_blank_and_their_files_are_asked_for(
    client: TestClient, conn: Connection, relay: BulkActions
) -> None:
    ended = [failed(conn, labels={"team": "x"}) for _ in range(2)]
    [waiting] = some_jobs(conn, 1, labels={"team": "x"})
    bulk = made(client, "delete", filter={"label": ["team:x"]})
    assert bulk["matched"]["outcomes"] == {"deleted": 2}
    run(client, bulk)
    carried_out(client, relay, bulk)

    for job_id in ended:
        assert client.get(f"/v1/jobs/{job_id}").status_code == 410
        assert (row(conn, job_id).parameters, row(conn, job_id).labels) == ({}, None)
    assert status(conn, waiting) == "PENDING"
    assert count(conn, "erasures") == 2
    actions_told = conn.execute(text("SELECT object FROM audit WHERE action = 'jobs.delete'")).scalars().all()
    assert set(actions_told) == {f"jobs/{job_id}" for job_id in ended}
    assert broken(conn, at_rest=False) == {}


def test_a_stopped_action_does_nothing_more(client: TestClient, conn: Connection, relay: BulkActions) -> None:
    waiting = some_jobs(conn, 7)
    bulk = made(client, "cancel")
    run(client, bulk)
    assert relay.run_once() == 1

    stopped = client.post(bulk["links"]["stop"])

    assert (stopped.status_code, stopped.json()["status"], stopped.json()["handled"]) == (200, "STOPPED", 3)
    assert relay.run_once() == 0
    assert [status(conn, job_id) for job_id in waiting].count("CANCELLED") == 3
    assert client.post(bulk["links"]["stop"]).json()["status"] == "STOPPED"
    problem(client.post(bulk["links"]["run"]), 409, "bulk_already_ended")


def test_run_and_stop_may_be_asked_twice(client: TestClient, conn: Connection, relay: BulkActions) -> None:
    some_jobs(conn, 1)
    bulk = made(client, "cancel")
    run(client, bulk)
    run(client, bulk)
    carried_out(client, relay, bulk)

    assert client.post(bulk["links"]["run"]).json()["status"] == "DONE"
    problem(client.post(bulk["links"]["stop"]), 409, "bulk_already_ended")
    assert conn.execute(text("SELECT count(*) FROM audit WHERE action = 'bulk.run'")).scalar_one() == 1


def test_a_dry_run_of_yesterday_is_not_carried_out(client: TestClient, conn: Connection) -> None:
    bulk = made(client, "cancel")
    conn.execute(text("UPDATE bulk_actions SET created_at = created_at - interval '25 h'"))
    problem(client.post(bulk["links"]["run"]), 409, "bulk_too_old")


def test_one_key_is_one_action(client: TestClient, conn: Connection) -> None:
    def ask(**body: Any) -> Response:
        return client.post("/v1/bulk", json={"action": "cancel", **body}, headers={"Idempotency-Key": "k"})

    first, again = ask(filter={"createdAfter": "-24h"}), ask(filter={"createdAfter": "-24h"})

    assert again.json()["bulkId"] == first.json()["bulkId"]
    assert (first.headers.get("idempotent-replayed"), again.headers["idempotent-replayed"]) == (None, "true")
    for other in ({"status": ["PENDING"]}, {"createdAfter": "-48h"}, {"createdAfter": "2026-01-01T00:00:00Z"}, {}):
        problem(ask(filter=other), 422, "idempotency_key_reused")
    assert count(conn, "bulk_actions") == 1


def test_the_same_moment_in_another_spelling_is_the_same_request(client: TestClient, conn: Connection) -> None:
    def ask(until: str) -> Response:
        asked = {"action": "delete", "filter": {"createdBefore": until}}
        return client.post("/v1/bulk", json=asked, headers={"Idempotency-Key": "k"})

    first, again = ask("2026-02-01T00:00:00Z"), ask("2026-02-01T09:00:00+09:00")
    assert again.json()["bulkId"] == first.json()["bulkId"]
    problem(ask("2026-03-01T00:00:00Z"), 422, "idempotency_key_reused")


def test_more_than_some_do_not_run_at_a_time(database_url: str, scratch: Path, conn: Connection) -> None:
    with TestClient(an_app(database_url, scratch, API_BULK_RUNNING="1"), raise_server_exceptions=False) as client:
        running, waiting = made(client, "cancel", 202, dryRun=False), made(client, "delete")
        refused = client.post(waiting["links"]["run"])
        problem(refused, 429, "too_many_bulk_actions")
        assert refused.headers["retry-after"] == "10"
        problem(client.post("/v1/bulk", json={"action": "retry", "dryRun": False}), 429, "too_many_bulk_actions")
        client.post(running["links"]["stop"])
        run(client, waiting)


def test_more_than_can_be_counted_is_said_to_be_at_least_as_many(
    client: TestClient, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_jobs(conn, 4)
    monkeypatch.setattr(actions, "MOST_COUNTED", 4)
    assert (made(client, "cancel")["matched"]["jobs"], made(client, "cancel")["matched"]["atLeast"]) == (4, False)
    monkeypatch.setattr(actions, "MOST_COUNTED", 3)
    bulk = made(client, "cancel")
    assert (bulk["matched"]["jobs"], bulk["matched"]["atLeast"]) == (3, True)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "action"),
        ({"action": "cancle"}, "action"),
        ({"action": "cancel", "filter": []}, "filter"),
        ({"action": "cancel", "filter": {"state": "FAILED"}}, "filter.state"),
        ({"action": "cancel", "filter": {"status": ["DONE"]}}, "filter.status"),
        ({"action": "cancel", "filter": {"status": [7]}}, "filter.status"),
        ({"action": "cancel", "filter": {"reportType": 7}}, "filter.reportType"),
        ({"action": "cancel", "filter": {"createdAfter": "yesterday"}}, "filter.createdAfter"),
        ({"action": "cancel", "filter": {"bulk": "x"}}, "filter.bulk"),
        ({"action": "cancel", "reason": 7}, "reason"),
        ({"action": "cancel", "reason": "x" * 501}, "reason"),
        ({"action": "cancel", "reason": "\0"}, "reason"),
        ({"action": "cancel", "dryRun": "no"}, "dryRun"),
        ({"action": "cancel", "dry_run": False}, "dry_run"),
    ],
)
def test_a_wrong_request_names_its_mistake_and_makes_nothing(
    client: TestClient, conn: Connection, body: dict[str, Any], field: str
) -> None:
    told = problem(client.post("/v1/bulk", json=body), 422, "invalid_request")
    assert [one["field"] for one in told["violations"]] == [field]
    assert (count(conn, "bulk_actions"), count(conn, "audit")) == (0, 0)


def test_lists_are_paged_and_belong_to_themselves(client: TestClient, conn: Connection, relay: BulkActions) -> None:
    some_jobs(conn, 3)
    bulks = [made(client, "cancel")["bulkId"] for _ in range(3)]
    page = client.get("/v1/bulk", params={"pageSize": 2})
    assert [one["bulkId"] for one in page.json()["bulk"]] == bulks[:0:-1]
    rest = client.get("/v1/bulk", params={"pageSize": 2, "pageToken": page.json()["nextPageToken"]}).json()
    assert ([one["bulkId"] for one in rest["bulk"]], rest["nextPageToken"]) == (bulks[:1], None)
    stranger = client.get(f"/v1/bulk/{bulks[0]}/results", params={"pageToken": page.json()["nextPageToken"]})
    problem(stranger, 400, "page_token_invalid")
    problem(client.get(f"/v1/bulk/{bulks[0]}/results", params={"outcome": "refuse"}), 422, "invalid_request")
    for wrong in ("x", str(UUID(int=7)), bulks[0].upper()):
        problem(client.get(f"/v1/bulk/{wrong}"), 404, "unknown_bulk")
    assert client.get(f"/v1/bulk/{bulks[0]}", headers={"If-None-Match": '"1"'}).status_code == 304


class People:
    """One API, several people of a tenant and one of another."""

    def __init__(self, client: TestClient, conn: Connection) -> None:
        self.client = client
        own = OWN - {"jobs:read_all"}
        scopes = {"ann": own, "ben": own, "boss": OWN, "reader": frozenset({"jobs:read"})}
        self.keys = {
            name: api_keys.create_key(conn, tenant="acme", name=name, scopes=given) for name, given in scopes.items()
        }
        self.keys["stranger"] = api_keys.create_key(conn, tenant="other", name="stranger", scopes=OWN)

    def __call__(self, who: str, method: str, path: str, **more: Any) -> Response:
        headers = {"Authorization": f"Bearer {self.keys[who]}"}
        answer: Response = self.client.request(method, path, headers=headers, **more)
        return answer


@pytest.fixture
def people(database_url: str, conn: Connection, scratch: Path) -> Iterator[People]:
    app = an_app(database_url, scratch, API_AUTH="keys")
    with TestClient(app, raise_server_exceptions=False) as client:
        yield People(client, conn)


def test_who_sees_its_own_jobs_only_never_meets_anothers(people: People, conn: Connection, relay: BulkActions) -> None:
    mine, others, strange = (
        a_job(conn, tenant=tenant, requester=who)
        for tenant, who in (("acme", "ann"), ("acme", "ben"), ("other", "stranger"))
    )
    for_ben = people("ann", "POST", "/v1/bulk", json={"action": "cancel", "filter": {"requester": "ben"}}).json()
    assert for_ben["matched"]["jobs"] == 0
    bulk = people("ann", "POST", "/v1/bulk", json={"action": "cancel"}).json()
    assert bulk["matched"]["jobs"] == 1
    assert people("ann", "POST", bulk["links"]["run"]).status_code == 202
    while relay.run_once():
        pass
    assert [status(conn, one) for one in (mine, others, strange)] == ["CANCELLED", "PENDING", "PENDING"]
    # Not even a relay that was told another job by mistake may touch it.
    conn.execute(text("UPDATE bulk_actions SET state = 'RUNNING', ended_at = NULL, due_at = now()"))
    asked = {"bulk": bulk["bulkId"], "ids": [others, strange]}
    assert conn.execute(text("SELECT * FROM bulk_act(:bulk, :ids, :ids)"), asked).all() == []


def test_an_action_is_seen_and_run_by_whom_it_belongs_to(people: People, conn: Connection) -> None:
    bulk = people("ann", "POST", "/v1/bulk", json={"action": "cancel"}).json()
    place = f"/v1/bulk/{bulk['bulkId']}"
    for who in ("ben", "stranger"):
        for method, path in [("GET", place), ("GET", f"{place}/results"), ("POST", f"{place}:run")]:
            problem(people(who, method, path), 404, "unknown_bulk")
        problem(people(who, "POST", f"{place}:stop"), 404, "unknown_bulk")
        assert people(who, "GET", "/v1/bulk").json()["bulk"] == []
    assert [one["bulkId"] for one in people("boss", "GET", "/v1/bulk").json()["bulk"]] == [bulk["bulkId"]]
    problem(people("boss", "POST", f"{place}:run"), 403, "not_your_bulk")
    assert people("boss", "POST", f"{place}:stop").json()["stoppedBy"] == "boss"


@pytest.mark.parametrize("action", ["cancel", "retry", "delete"])
def test_each_action_needs_the_scope_that_it_needs_for_one_job(people: People, conn: Connection, action: str) -> None:
    problem(people("reader", "POST", "/v1/bulk", json={"action": action}), 403, "insufficient_scope")
    assert count(conn, "bulk_actions") == 0


def test_what_its_creator_lost_since_the_dry_run_is_lost_for_the_action(
    people: People, conn: Connection, relay: BulkActions
) -> None:
    mine, others = (a_job(conn, tenant="acme", requester=who) for who in ("boss", "ben"))
    bulk = people("boss", "POST", "/v1/bulk", json={"action": "cancel"}).json()
    assert bulk["matched"]["jobs"] == 2
    people.keys["boss"] = api_keys.create_key(conn, tenant="acme", name="boss", scopes=OWN - {"jobs:read_all"})
    assert people("boss", "POST", bulk["links"]["run"]).status_code == 202
    while relay.run_once():
        pass
    assert [status(conn, one) for one in (mine, others)] == ["CANCELLED", "PENDING"]


@pytest.mark.parametrize("ended", ["revoked", "forgotten since"])
def test_a_revoked_key_ends_what_it_has_begun(people: People, conn: Connection, relay: BulkActions, ended: str) -> None:
    waiting = [a_job(conn, tenant="acme", requester="ann") for _ in range(5)]
    bulk = people("ann", "POST", "/v1/bulk", json={"action": "cancel", "dryRun": False}).json()
    relay.run_once()
    conn.execute(text("UPDATE api_keys SET revoked_at = now() - interval '2 years' WHERE name = 'ann'"))
    if ended == "forgotten since":
        conn.execute(text("DELETE FROM api_keys WHERE name = 'ann'"))
    while relay.run_once():
        pass
    told = people("boss", "GET", f"/v1/bulk/{bulk['bulkId']}").json()
    assert (told["status"], told["handled"], told["error"]) == (
        "STOPPED", 3, "the API key that started it was revoked",
    )  # fmt: skip
    assert [status(conn, one) for one in waiting].count("CANCELLED") == 3


def test_several_relays_share_the_actions_and_never_a_slice(
    client: TestClient, conn: Connection, engine: Engine, relay: BulkActions
) -> None:
    old = [failed(conn) for _ in range(4)]
    bulk = made(client, "retry", 202, dryRun=False)
    with transactional(engine).begin() as other:
        held = bulk_slices.claim(other)
        assert held is not None
        assert relay.run_once() == 0
        bulk_slices.take(other, held, most=2)
    carried_out(client, relay, bulk)
    assert count(conn, "jobs") == 2 * len(old)


def test_a_slice_that_dies_before_its_commit_has_done_nothing(
    client: TestClient, conn: Connection, engine: Engine, relay: BulkActions
) -> None:
    old = [failed(conn) for _ in range(4)]
    bulk = made(client, "retry", 202, dryRun=False)
    with transactional(engine).connect() as dying:
        claimed = bulk_slices.claim(dying)
        assert claimed is not None
        assert len(bulk_slices.take(dying, claimed, most=2).acted) == 2
        dying.rollback()
    assert count(conn, "jobs") == len(old)
    assert carried_out(client, relay, bulk)["outcomes"] == {"retried": 4}
    assert count(conn, "jobs") == 2 * len(old)


def test_a_job_that_somebody_holds_is_waited_for_and_not_passed_by(
    client: TestClient, conn: Connection, engine: Engine, relay: BulkActions
) -> None:
    jobs = some_jobs(conn, 3)
    bulk = made(client, "cancel", 202, dryRun=False)
    with transactional(engine).connect() as holder:
        holder.execute(text("SELECT FROM jobs WHERE id = :id FOR UPDATE"), {"id": jobs[1]})
        for _ in range(3):
            relay.run_once()
        assert [status(conn, job_id) for job_id in jobs] == ["PENDING", "PENDING", "CANCELLED"]
        holder.rollback()
    assert carried_out(client, relay, bulk)["outcomes"] == {"cancelled": 3}


def test_a_job_that_no_longer_matches_when_its_turn_comes_is_left_alone(
    client: TestClient, conn: Connection, relay: BulkActions, monkeypatch: pytest.MonkeyPatch
) -> None:
    [job_id] = some_jobs(conn, 1)
    bulk = made(client, "cancel", 202, dryRun=False, filter={"status": ["PENDING"]})

    def picked_and_then_started(*asked: Any, **more: Any) -> Any:
        found = picking.pick(*asked, **more)
        started(conn, job_id)
        return found

    monkeypatch.setattr(bulk_slices, "pick", picked_and_then_started)
    told = carried_out(client, relay, bulk)
    assert (told["handled"], row(conn, job_id).cancel_requested_at) == (0, None)


def test_an_action_whose_slice_goes_wrong_lets_others_go_first_and_comes_on_in_smaller_pieces(
    client: TestClient, conn: Connection, relay: BulkActions
) -> None:
    some_jobs(conn, 4)
    bad = made(client, "retry", 202, dryRun=False)
    conn.execute(text('UPDATE bulk_actions SET filter = \'{"retry_of": "no id"}\''))
    good = made(client, "cancel", 202, dryRun=False)
    assert relay.run_once() == 0
    carried_out(client, relay, good)
    told = client.get(f"/v1/bulk/{bad['bulkId']}").json()
    assert (told["status"], "ValueError" in told["error"]) == ("RUNNING", True)
    conn.execute(text("UPDATE bulk_actions SET filter = '{}', due_at = now() WHERE state = 'RUNNING'"))
    told = carried_out(client, relay, bad)
    assert told["error"] is None


@pytest.mark.parametrize("old", [False, True], ids=["young", "old"])
def test_every_unfinished_job_is_met_whether_it_is_listed_or_not(
    client: TestClient, conn: Connection, relay: BulkActions, old: bool
) -> None:
    jobs = some_jobs(conn, 5)
    if old:
        while unfinished.advance_floor(conn, list_after_s=-1):
            pass
        assert count(conn, "stragglers") == 5
    bulk = made(client, "cancel", 202, dryRun=False)
    assert carried_out(client, relay, bulk)["outcomes"] == {"cancelled": 5}
    assert {status(conn, job_id) for job_id in jobs} == {"CANCELLED"}


def test_actions_are_forgotten_with_their_results(client: TestClient, conn: Connection, relay: BulkActions) -> None:
    some_jobs(conn, 5)
    bulk = made(client, "cancel", 202, dryRun=False)
    running = made(client, "cancel", 202, dryRun=False, filter={"requester": "nobody"})
    assert not bulk_results.forget(conn, before=NEWEST)
    relay.run_once()
    while relay.run_once():
        pass
    conn.execute(text("UPDATE bulk_actions SET state = 'RUNNING', ended_at = NULL, due_at = 'infinity' WHERE id = :id"),
                 {"id": running["bulkId"]})  # fmt: skip
    assert not bulk_results.forget(conn, before=UUID(int=0))
    assert [bulk_results.forget(conn, before=NEWEST, slice_size=2) for _ in range(4)] == [False, False, True, False]
    assert (count(conn, "bulk_results"), count(conn, "bulk_actions")) == (0, 1)
    problem(client.get(f"/v1/bulk/{bulk['bulkId']}"), 404, "unknown_bulk")


def test_a_finished_report_can_be_asked_for_again_by_a_bulk_action(
    client: TestClient, conn: Connection, relay: BulkActions, scratch: Path
) -> None:
    job_id = client.post("/v1/jobs", json={"fileName": "{reportType}-{jobId}"}).json()["jobId"]
    finished(conn, job_id, scratch)
    bulk = made(client, "retry", 202, dryRun=False, filter={"status": ["SUCCESS"]})
    assert carried_out(client, relay, bulk)["outcomes"] == {"retried": 1}
    [result] = results(client, bulk)
    assert result["jobId"] == job_id
    assert row(conn, UUID(result["newJobId"])).file_name == f"calendar-{result['newJobId']}"
    assert row(conn, UUID(result["newJobId"])).options == {"fileName": "{reportType}-{jobId}"}


def test_a_retry_of_many_waits_for_room_where_the_queue_is_capped(
    client: TestClient, conn: Connection, relay: BulkActions
) -> None:
    for _ in range(5):
        failed(conn)
    queue_caps.set_queue_cap(conn, TENANT, 2)
    bulk = made(client, "retry", reason="the source is back")
    run(client, bulk)

    for rounds, there in enumerate((2, 2, 4, 4, 5)):
        while relay.run_once():
            pass
        assert len(results(client, bulk)) == there
        conn.execute(text("UPDATE bulk_actions SET due_at = clock_timestamp() WHERE state = 'RUNNING'"))
        if rounds % 2:
            for job_id in conn.execute(text("SELECT id FROM jobs WHERE status = 'PENDING'")).scalars().all():
                lease = started(conn, job_id).lease
                finish.fail(conn, [Failure(lease, "boom", "again", retryable=False, delay_s=0)])
    assert carried_out(client, relay, bulk)["outcomes"] == {"retried": 5}
    assert broken(conn, at_rest=False) == {}
