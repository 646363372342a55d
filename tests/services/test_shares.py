"""Links to files: created, counted, revoked, and answered."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from deploy.local.emulator import REGION
from shared.access import api_keys, shares
from shared.access.scopes import USUAL
from shared.artifacts.open import open_store
from shared.database.engine import create_engine, transactional
from tests.support.api_app import an_app, finished, problem
from tests.support.jobs import count
from tests.support.postgres.roles import service_urls
from tests.support.promises import broken

CONTENT = b"day\n2026-01-01\n"


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    """With the rights of the API."""
    with TestClient(an_app(service_urls(database_url)["api"], scratch), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def keyed(database_url: str, scratch: Path) -> Iterator[TestClient]:
    app = an_app(service_urls(database_url)["api"], scratch, API_AUTH="keys")
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def a_file(client: TestClient, conn: Connection, scratch: Path) -> str:
    """The path of a finished file."""
    job_id = client.post("/v1/jobs").json()["jobId"]
    finished(conn, job_id, scratch, CONTENT)
    return f"/v1/jobs/{job_id}/artifacts/calendar.csv"


def shared(client: TestClient, file: str, **wanted: Any) -> dict[str, Any]:
    answer = client.post(f"{file}:share", json=wanted)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_a_link_to_a_store_is_checked_and_counted_before_it_redirects(
    database_url: str, conn: Connection, scratch: Path, bucket: str
) -> None:
    on_s3 = {"ARTIFACT_URL": f"s3://{bucket}", "AWS_REGION": REGION}
    with TestClient(an_app(database_url, scratch, **on_s3), follow_redirects=False) as client:
        job_id = client.post("/v1/jobs").json()["jobId"]
        finished(conn, job_id, scratch, CONTENT, open_store(f"s3://{bucket}"))
        file = f"/v1/jobs/{job_id}/artifacts/calendar.csv"
        once, revoked, late, gone = (shared(client, file, **more) for more in ({"maxDownloads": 1}, {}, {}, {}))

        found = client.get(once["url"])
        place = found.headers["location"]
        assert (found.status_code, found.headers["cache-control"]) == (307, "no-store")
        assert httpx2.get(place, trust_env=False).content == CONTENT
        assert 1 <= int(parse_qs(urlsplit(place).query)["X-Amz-Expires"][0]) <= 60
        assert client.get(once["links"]["self"]).json()["downloads"] == 1

        client.delete(revoked["links"]["self"])
        over = (
            "UPDATE shares SET created_at = now() - interval '1 h', expires_at = now() - interval '1 s' WHERE id = :id"
        )
        conn.execute(text(over), {"id": late["shareId"]})
        for link in (once, revoked, late):
            refused = client.get(link["url"])
            assert (refused.status_code, "location" in refused.headers) == (410, False)
        conn.execute(text("DELETE FROM artifacts"))
        refused = client.get(gone["url"])
        assert (refused.status_code, "location" in refused.headers) == (410, False)
        assert client.get(f"/shared/{'A' * 43}").status_code == 404


def test_whoever_has_a_link_gets_the_file_and_leaves_a_trace(
    client: TestClient, conn: Connection, scratch: Path
) -> None:
    made = shared(client, a_file(client, conn, scratch))
    assert (made["state"], made["downloads"], made["maxDownloads"], made["urlShown"]) == ("active", 0, None, True)
    head = client.head(made["url"])
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(CONTENT)), b"")
    answer = client.get(made["url"], headers={"Accept": "application/json"})
    assert (answer.status_code, answer.content) == (200, CONTENT)
    told = ("content-disposition", "cache-control", "x-robots-tag", "referrer-policy", "x-content-type-options")
    assert [answer.headers[name] for name in told] == [
        'attachment; filename="calendar.csv"', "no-store", "noindex, nofollow, noarchive, nosnippet", "no-referrer",
        "nosniff",
    ]  # fmt: skip
    part = client.get(made["url"], headers={"Range": "bytes=0-2"})
    assert (part.status_code, part.content) == (206, CONTENT[:3])
    now = client.get(made["links"]["self"]).json()
    assert (now["downloads"], now["lastDownloadAt"] is not None) == (2, True)
    assert "url" not in now
    trail = conn.execute(text("SELECT action, address, after FROM audit ORDER BY id")).all()
    assert [one.action for one in trail] == ["shares.create", "shares.download", "shares.download"]
    assert trail[-1].address == "testclient"
    assert trail[-1].after["downloads"] == 2
    token = made["url"].rpartition("/")[2]
    kept = conn.execute(text("SELECT s::text || (SELECT string_agg(a::text, '') FROM audit a) FROM shares s"))
    assert token not in kept.scalar_one()
    assert broken(conn, at_rest=False) == {}


def test_no_more_downloads_than_allowed_come_of_any_number_at_once(
    client: TestClient, conn: Connection, scratch: Path
) -> None:
    made = shared(client, a_file(client, conn, scratch), maxDownloads=3.0)
    meet, got = threading.Barrier(8), []

    def ask() -> None:
        meet.wait(60)
        got.append(client.get(made["url"]).status_code)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(got) == [200] * 3 + [410] * 5
    assert (conn.execute(text("SELECT downloads FROM shares")).scalar_one(), count(conn, "audit")) == (3, 4)
    over = problem(client.get(made["url"]), 410, "share_over")
    assert "reached its download limit" in over["detail"]
    assert client.get(made["links"]["self"]).json()["state"] == "used_up"


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("UPDATE shares SET created_at = now() - interval '2 s', expires_at = now() - interval '1 s'", "share_over"),
        ("DELETE FROM artifacts", "artifact_expired"),
        (None, "share_over"),
    ],
    ids=["time", "file", "job"],
)
def test_a_link_ends_with_its_time_its_file_and_its_job(
    client: TestClient, conn: Connection, scratch: Path, ending: str | None, code: str
) -> None:
    made = shared(client, a_file(client, conn, scratch), maxDownloads=1)
    if ending is None:
        assert client.delete(made["links"]["job"]).status_code == 204
    else:
        conn.execute(text(ending))
    for answer in (client.get(made["url"]), client.head(made["url"])):
        assert (answer.status_code, answer.headers["x-robots-tag"][:7]) == (410, "noindex")
    problem(client.get(made["url"]), 410, code)
    assert conn.execute(text("SELECT downloads FROM shares")).scalar_one() == 0


def test_a_link_is_revoked_and_listed_by_whom_it_concerns(keyed: TestClient, conn: Connection, scratch: Path) -> None:
    def bearer(name: str, scopes: Any, tenant: str = "default") -> dict[str, str]:
        return {"Authorization": f"Bearer {api_keys.create_key(conn, tenant=tenant, name=name, scopes=scopes)}"}

    own_only = USUAL - {"jobs:read_all"}
    ann, bob, chief = bearer("ann", own_only), bearer("bob", own_only), bearer("chief", USUAL)
    stranger, reader = bearer("ann", USUAL, "globex"), bearer("ann", own_only - {"jobs:share"})
    job_id = keyed.post("/v1/jobs", headers=ann).json()["jobId"]
    file = f"/v1/jobs/{job_id}/artifacts/calendar.csv"
    problem(keyed.post(f"{file}:share", headers=ann), 409, "not_ready")
    finished(conn, job_id, scratch, CONTENT)
    for other in (bob, stranger):
        problem(keyed.post(f"{file}:share", headers=other), 404, "unknown_job")
    problem(keyed.post(f"{file}:share", headers=reader), 403, "insufficient_scope")
    made = [keyed.post(f"{file}:share", headers=one).json() for one in (ann, chief)]
    own = made[1]["links"]["self"]
    for other in (bob, stranger):
        assert keyed.get("/v1/shares", headers=other).json()["shares"] == []
        for method in ("GET", "DELETE"):
            problem(keyed.request(method, own, headers=other), 404, "unknown_share")
        problem(keyed.get("/v1/shares", params={"job": job_id}, headers=other), 404, "unknown_job")
    listed = keyed.get("/v1/shares", params={"job": job_id, "pageSize": 1}, headers=ann).json()
    assert [one["createdBy"] for one in listed["shares"]] == ["chief"]
    assert listed["nextPageToken"]
    assert [one["createdBy"] for one in keyed.get("/v1/shares", headers=ann).json()["shares"]] == ["ann"]
    assert len(keyed.get("/v1/shares", headers=chief).json()["shares"]) == 2
    # The job is hers, so she may end what leads to it.
    assert [keyed.delete(own, headers=ann).status_code for _ in range(2)] == [204, 204]
    told = problem(keyed.get(made[1]["url"]), 410, "share_over")
    assert "revoked" in told["detail"]
    assert keyed.get(own, headers=ann).json()["revokedBy"] == "ann"
    # What a key made that is revoked works no more: who had stolen it may have made links with it. One that expired
    # ends none.
    conn.execute(text("UPDATE api_keys SET expires_at = clock_timestamp() WHERE name = 'ann'"))
    assert keyed.get(made[0]["url"]).status_code == 200
    api_keys.revoke_keys(conn, tenant="default", name="ann")
    problem(keyed.get(made[0]["url"]), 410, "share_over")


def test_one_key_makes_one_link_and_its_address_is_told_once(
    client: TestClient, conn: Connection, scratch: Path
) -> None:
    file, key = a_file(client, conn, scratch), {"Idempotency-Key": "k"}
    first, second = (client.post(f"{file}:share", json={"maxDownloads": 2}, headers=key) for _ in range(2))
    assert (first.json()["urlShown"], second.json()["urlShown"], second.json()["url"]) == (True, False, None)
    assert (second.headers["idempotent-replayed"], second.json()["shareId"]) == ("true", first.json()["shareId"])
    problem(client.post(f"{file}:share", json={"maxDownloads": 3}, headers=key), 422, "idempotency_key_reused")
    assert count(conn, "shares") == 1
    wrong = problem(client.post(f"{file}:share", json={"expiresSeconds": 1, "downloads": 2}), 422, "invalid_request")
    assert {one["field"] for one in wrong["violations"]} == {"expiresSeconds", "downloads"}
    problem(client.post(f"{file}x:share"), 404, "unknown_artifact")
    long = shared(client, file, expiresSeconds=30 * 86_400)
    files_end = conn.execute(
        text("SELECT finished_at + make_interval(secs => keep_artifacts_s) FROM jobs")
    ).scalar_one()
    assert conn.execute(text("SELECT max(expires_at) FROM shares")).scalar_one() <= files_end
    assert long["state"] == "active"
    conn.execute(
        text("""INSERT INTO shares (id, tenant, job_id, name, token_sha256, expires_at)
                SELECT gen_random_uuid(), tenant, job_id, name, sha256(n::text::bytea), expires_at
                  FROM (SELECT * FROM shares LIMIT 1) AS one, generate_series(1, :many) AS n"""),
        {"many": shares.MOST_OF_A_JOB},
    )
    problem(client.post(f"{file}:share"), 409, "too_many_shares")


def test_requests_of_one_key_at_the_same_time_make_one_link(
    client: TestClient, conn: Connection, scratch: Path
) -> None:
    file, meet, got = a_file(client, conn, scratch), threading.Barrier(4), []

    def ask() -> None:
        meet.wait(60)
        answer = client.post(f"{file}:share", headers={"Idempotency-Key": "k"})
        got.append((answer.status_code, answer.json().get("urlShown")))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(got) == [(201, False)] * 3 + [(201, True)]
    assert (count(conn, "shares"), count(conn, "audit")) == (1, 1)


def test_made_up_links_are_answered_alike_and_not_for_long(client: TestClient, engine: Engine) -> None:
    for token in ("x", "A" * 43, "A" * 400, "%00", "..%2f"):
        answer = client.get(f"/shared/{token}")
        assert answer.status_code == 404
    problem(client.get(f"/shared/{'A' * 43}"), 404, "unknown_share")
    answers = [client.get(f"/shared/{'B' * 43}").status_code for _ in range(80)]
    assert answers[0] == 404
    assert answers[-1] == 429
    assert "retry-after" in client.get(f"/shared/{'C' * 43}").headers


@pytest.mark.parametrize(("language", "over", "unknown"), [
    ("en-GB,en;q=0.9", "This link no longer works", "This link does not exist"),
    ("ja", "このリンクは使えなくなりました", "そのリンクはありません"),
    ("xx, *", "This link no longer works", "This link does not exist"),
])  # fmt: skip
def test_a_stranger_with_a_browser_is_told_in_words_what_became_of_a_link(
    client: TestClient, conn: Connection, scratch: Path, language: str, over: str, unknown: str
) -> None:
    """Programs get the problem, whatever else they take."""
    link = shared(client, a_file(client, conn, scratch), maxDownloads=1)
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": language}
    assert client.get(link["url"], headers=browser).content == CONTENT

    for url, title, status in ((link["url"], over, 410), (f"/shared/{'<' * 3}{'A' * 40}", unknown, 404)):
        page = client.get(url, headers=browser)
        assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
        assert f"<h1>{title}</h1>" in page.text
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        assert (page.headers["cache-control"], page.headers["referrer-policy"]) == ("no-store", "no-referrer")
        assert "<<<" not in page.text
        assert client.get(url).headers["content-type"] == "application/problem+json"


def test_a_link_that_ended_long_ago_is_forgotten_and_no_other(
    client: TestClient, conn: Connection, scratch: Path, database_url: str
) -> None:
    file = a_file(client, conn, scratch)
    old, over, _ = (shared(client, file)["shareId"] for _ in range(3))
    ended = text(
        "UPDATE shares SET created_at = '2020-01-01', expires_at = now() - make_interval(days => :d) WHERE id = :i"
    )
    for share_id, days in ((old, 31), (over, 29)):
        conn.execute(ended, {"i": share_id, "d": days})
    relay = create_engine(service_urls(database_url)["relay"], application_name="test-relay", pool_size=1)
    with transactional(relay).begin() as theirs:
        assert [shares.forget(theirs, slice_size=10) for _ in range(2)] == [1, 0]
    relay.dispose()
    problem(client.get(f"/v1/shares/{old}"), 404, "unknown_share")
    assert client.get(f"/v1/shares/{over}").json()["state"] == "expired"
    assert count(conn, "shares") == 2


def test_links_can_be_turned_off(database_url: str, scratch: Path, conn: Connection) -> None:
    with TestClient(an_app(database_url, scratch, API_SHARE_MAX_DAYS="0")) as client:
        problem(client.post(f"{a_file(client, conn, scratch)}:share"), 409, "sharing_off")
