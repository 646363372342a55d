"""Lists of jobs: labels, filters, and tokens that cannot be forged or used elsewhere."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from services.api.actions import page_tokens
from services.api.actions.labels import LONGEST_NAME, LONGEST_VALUE, MOST
from shared.access import page_keys
from shared.jobs import listing, unfinished
from shared.jobs.finish import Failure, fail
from shared.jobs.retention import forget_jobs
from tests.support.api_app import an_app, finished, problem
from tests.support.jobs import a_job, count, row, started
from tests.support.promises import broken

_WEEK_S = 604_800


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    with TestClient(an_app(database_url, scratch), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def listed(client: TestClient) -> Callable[..., list[str]]:
    """The ids of all pages of a list."""

    def walk(**query: Any) -> list[str]:
        found: list[str] = []
        token: str | None = None
        while True:
            answer = client.get("/v1/jobs", params={**query, **({"pageToken": token} if token else {})})
            assert answer.status_code == 200, answer.text
            found += [job["jobId"] for job in answer.json()["jobs"]]
            token = answer.json()["nextPageToken"]
            if token is None:
                return found

    return walk


def submitted(client: TestClient, **body: Any) -> str:
    answer = client.post("/v1/jobs", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["jobId"])


def failed(conn: Connection, job_id: str, code: str = "boom") -> None:
    fail(conn, [Failure(started(conn, UUID(job_id)).lease, code, "it broke", retryable=False, delay_s=0)])


def test_a_job_is_found_by_its_labels(client: TestClient, conn: Connection, listed: Callable[..., list[str]]) -> None:
    plain = submitted(client)
    march = submitted(client, labels={"team": "finance", "run": "2026/03"})
    april = submitted(client, labels={"team": "finance", "run": "2026/04: closing"})

    assert client.get(f"/v1/jobs/{april}").json()["labels"] == {"team": "finance", "run": "2026/04: closing"}
    assert client.get(f"/v1/jobs/{plain}").json()["labels"] == {}
    assert listed(label="team:finance") == listed(label="team:finance", pageSize=1) == [april, march]
    assert listed(label=["team:finance", "run:2026/04: closing"]) == [april]
    assert listed(label=["run:2026/03", "team:sales"]) == []
    assert listed(label=["team:finance"] * 200 + ["run:2026/03"]) == [march]
    assert listed(label="team:finance", status="SUCCESS") == []
    assert listed() == [april, march, plain]
    assert row(conn, UUID(plain)).labels is None
    assert broken(conn, at_rest=False) == {}


def test_a_retry_keeps_its_labels_unless_others_are_given(client: TestClient, conn: Connection) -> None:
    old = submitted(client, labels={"team": "finance"})
    failed(conn, old)

    def labels(**body: Any) -> dict[str, str]:
        made = client.post(f"/v1/jobs/{old}:retry", json=body).json()["links"]["self"]
        found: dict[str, str] = client.get(made).json()["labels"]
        return found

    assert labels() == labels(labels=None) == {"team": "finance"}
    assert labels(labels={"team": "sales"}) == {"team": "sales"}
    assert labels(labels={}) == {}


def test_labels_belong_to_what_a_key_stands_for(client: TestClient, conn: Connection) -> None:
    def submit(**labels: str) -> Any:
        return client.post("/v1/jobs", json={"labels": labels}, headers={"Idempotency-Key": "k"})

    first = submit(a="1", b="2")
    assert submit(b="2", a="1").json()["jobId"] == first.json()["jobId"]
    problem(submit(a="1"), 422, "idempotency_key_reused")
    assert (count(conn, "jobs"), count(conn, "job_labels")) == (1, 2)


@pytest.mark.parametrize(
    ("labels", "field"),
    [
        ("team", "labels"),
        ([], "labels"),
        ({f"n{n}": "" for n in range(MOST + 1)}, "labels"),
        ({"": "x"}, "labels."),
        ({"a b": "x"}, "labels.a b"),
        ({"-a": "x"}, "labels.-a"),
        ({"n" * (LONGEST_NAME + 1): "x"}, "labels." + "n" * (LONGEST_NAME + 1)),
        ({"n": 7}, "labels.n"),
        ({"n": None}, "labels.n"),
        ({"n": "v" * (LONGEST_VALUE + 1)}, "labels.n"),
        ({"n": "a\nb"}, "labels.n"),
        ({"n": "\0"}, "labels.n"),
    ],
)
def test_labels_that_nobody_could_ask_for_are_refused(
    client: TestClient, conn: Connection, labels: object, field: str
) -> None:
    answer = problem(client.post("/v1/jobs", json={"labels": labels}), 422, "invalid_request")

    assert [violation["field"] for violation in answer["violations"]] == [field]
    assert count(conn, "jobs") == 0


def test_the_longest_labels_are_kept_as_they_are(client: TestClient, listed: Callable[..., list[str]]) -> None:
    longest = {f"{n:02}{'n' * (LONGEST_NAME - 2)}": "あ" * LONGEST_VALUE for n in range(MOST)}
    job_id = submitted(client, labels=longest)

    assert client.get(f"/v1/jobs/{job_id}").json()["labels"] == longest
    assert listed(label=[f"{name}:{value}" for name, value in longest.items()]) == [job_id]


def test_every_filter_leaves_out_the_others(
    client: TestClient, conn: Connection, scratch: Path, listed: Callable[..., list[str]]
) -> None:
    ok, broke, other, waits = (submitted(client) for _ in range(4))
    finished(conn, ok, scratch)
    failed(conn, broke)
    failed(conn, other, "source_timeout")
    runs = submitted(client)
    started(conn, UUID(runs))
    again = str(client.post(f"/v1/jobs/{broke}:retry").json()["jobId"])

    assert listed(status="FAILED") == [other, broke]
    assert listed(errorCode="boom") == listed(errorCode="boom", status=["FAILED", "SUCCESS"]) == [broke]
    assert listed(errorCode="boom", status="SUCCESS") == listed(errorCode="unheard_of") == []
    assert listed(status=["PENDING", "PROCESSING"]) == [again, runs, waits]
    assert listed(status="PROCESSING") == [runs]
    assert listed(status=["PENDING", "FAILED"]) == [again, waits, other, broke]
    assert listed(status=["FAILED", "SUCCESS"]) == [other, broke, ok]
    assert listed(retryOf=broke) == [again]
    assert listed(retryOf=ok) == listed(requester="somebody") == listed(reportType="none") == []


def test_what_finds_a_job_is_forgotten_with_it(conn: Connection) -> None:
    kept, gone = (a_job(conn, keep_artifacts_s=0, keep_s=keep_s, labels={"a": "1", "b": "2"}) for keep_s in (3600, 0))
    for each in (kept, gone):
        failed(conn, str(each))
    assert (count(conn, "failures"), count(conn, "job_labels")) == (2, 4)

    assert forget_jobs(conn).rows == 1
    assert (count(conn, "failures"), count(conn, "job_labels"), count(conn, "jobs")) == (1, 2, 1)
    assert broken(conn, at_rest=False, gone=[gone]) == {}


def test_labels_never_change(conn: Connection) -> None:
    a_job(conn, labels={"a": "1"})
    for wrong in ("labels = NULL", "retry_of = id"):
        with pytest.raises(DBAPIError, match="never change"):
            conn.execute(text(f"UPDATE jobs SET {wrong}"))


@pytest.mark.parametrize("size", [1, 2, 100])
def test_the_unfinished_are_found_above_the_floor_and_below_it(
    client: TestClient, conn: Connection, listed: Callable[..., list[str]], size: int
) -> None:
    jobs = [submitted(client) for _ in range(8)]
    for job_id in (jobs[1], jobs[3]):
        failed(conn, job_id)
    while unfinished.advance_floor(conn, list_after_s=-60):
        pass
    assert count(conn, "stragglers") == 6
    jobs += [submitted(client) for _ in range(4)]
    for job_id in (jobs[5], jobs[9]):  # one of each side ends now
        failed(conn, job_id)
    waiting = [job_id for n, job_id in enumerate(jobs) if n not in (1, 3, 5, 9)]

    assert listed(status=["PENDING", "PROCESSING"], pageSize=size) == waiting[::-1]
    assert listed(status=["PENDING", "FAILED"], pageSize=size) == jobs[::-1]
    assert listed(status="FAILED", pageSize=size) == [jobs[n] for n in (9, 5, 3, 1)]


def test_one_failed_and_one_waiting_job_are_on_the_first_page_however_many_others_there_are(
    client: TestClient, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "LOOK", 3)
    rare = [submitted(client), submitted(client, labels={"team": "finance"})]
    failed(conn, rare[0])
    while unfinished.advance_floor(conn, list_after_s=-60):
        pass
    for _ in range(10):
        failed(conn, str(a_job(conn, tenant="default", report_type="calendar")), "other")
    for _ in range(10):
        a_job(conn)

    def first(**query: str) -> list[str]:
        return [job["jobId"] for job in client.get("/v1/jobs", params=query).json()["jobs"]]

    assert first(errorCode="boom") == rare[:1]
    assert first(label="team:finance") == rare[1:]
    assert first(status="CANCELLED") == []
    assert client.get("/v1/jobs?status=CANCELLED").json()["nextPageToken"] is not None


def test_times_are_told_as_rfc_3339_or_as_ago(client: TestClient, listed: Callable[..., list[str]]) -> None:
    jobs = [submitted(client) for _ in range(3)]
    middle = client.get(f"/v1/jobs/{jobs[1]}").json()["createdAt"]
    tokyo = middle.replace("+00:00", "Z")

    assert listed(createdAfter=middle) == listed(createdAfter=tokyo) == [jobs[2], jobs[1]]
    assert listed(createdBefore=middle) == [jobs[0]]
    assert listed(createdAfter=middle, createdBefore=middle) == []
    # `+` is a space in a query that nobody encoded.
    assert client.get(f"/v1/jobs?createdAfter={middle}").json()["jobs"] != []
    assert listed(createdAfter="-1h") == listed(createdBefore="2999-01-01T00:00:00+09:00") == jobs[::-1]
    assert listed(createdBefore="-1h") == listed(createdAfter="2999-01-01t00:00:00z") == []


@pytest.mark.parametrize(("asked", "given"), [("0", 20), ("", 20), ("3", 3), ("100", 25), ("101", 25), ("9" * 99, 25)])
def test_the_size_of_a_page_is_coerced(client: TestClient, asked: str, given: int, conn: Connection) -> None:
    for _ in range(25):
        a_job(conn, tenant="default")

    answer = client.get("/v1/jobs" + (f"?pageSize={asked}" if asked else ""))
    assert len(answer.json()["jobs"]) == given


def test_a_negative_size_names_the_remedy(client: TestClient) -> None:
    answer = problem(client.get("/v1/jobs?pageSize=-1"), 422, "invalid_request")
    assert answer["violations"][0]["message"] == "must be a whole number from 1 to 100, or 0 for the default of 20"


def test_a_misspelt_filter_names_the_nearest(client: TestClient) -> None:
    answer = problem(client.get("/v1/jobs?lable=team:finance"), 422, "invalid_request")
    assert answer["violations"][0]["message"].endswith("did you mean 'label'?")


def _next(client: TestClient, **query: Any) -> str:
    return str(client.get("/v1/jobs", params={"pageSize": 1, **query}).json()["nextPageToken"])


def test_a_token_holds_for_its_filter_and_for_any_size(client: TestClient) -> None:
    jobs = [submitted(client, labels={"a": "1", "b": "2"}) for _ in range(4)]
    token = _next(client, status=["PENDING", "FAILED"], label=["a:1", "b:2"])

    same: dict[str, Any] = {"status": ["FAILED", "PENDING"], "label": ["b:2", "a:1"], "pageToken": token, "pageSize": 3}
    assert [job["jobId"] for job in client.get("/v1/jobs", params=same).json()["jobs"]] == jobs[2::-1]
    others: list[dict[str, Any]] = [{}, {"status": "PENDING"}, {"status": ["PENDING", "FAILED"], "label": "a:1"}]
    for other in others:
        told = problem(client.get("/v1/jobs", params={**other, "pageToken": token}), 400, "page_token_mismatch")
        assert "filters" in told["detail"]


def test_nobody_makes_or_changes_a_token(client: TestClient) -> None:
    submitted(client), submitted(client)
    token = _next(client)
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    forged = [raw[:n] + bytes([raw[n] ^ 1]) + raw[n + 1 :] for n in range(len(raw))]
    for each in (*forged, raw[:-1], raw + b"\0", b"", UUID(int=2**128 - 1).bytes):
        text_ = base64.urlsafe_b64encode(each).decode().rstrip("=")
        answer = client.get("/v1/jobs", params={"pageToken": text_})
        assert answer.status_code == 400, each
        assert answer.json()["code"] in {"page_token_invalid", "page_token_expired"}
    for nonsense in ("!", "\0", "あ", "x" * 5_000):
        problem(client.get("/v1/jobs", params={"pageToken": nonsense}), 400, "page_token_invalid")


def test_a_token_holds_in_every_process_and_ends_after_three_days(
    client: TestClient, conn: Connection, database_url: str, scratch: Path
) -> None:
    submitted(client), submitted(client)
    token = _next(client)
    with TestClient(an_app(database_url, scratch)) as replica:
        assert len(replica.get("/v1/jobs", params={"pageToken": token}).json()["jobs"]) == 1
        assert count(conn, "page_token_keys") == 1
        monotonic = replica.app.state.parts.page_tokens._clock  # type: ignore[attr-defined]
        replica.app.state.parts.page_tokens._clock = lambda: monotonic() + page_tokens._LOOK_AGAIN_S - 1  # type: ignore[attr-defined]
        assert replica.get("/v1/jobs", params={"pageToken": token}).status_code == 200
    old = page_tokens.PageTokens(conn.engine)
    listing_ = page_tokens.Listing("jobs", client.app.state.parts.access and _anybody(), {})  # type: ignore[attr-defined]
    keys, now = old._known(conn)
    old._keys = keys._replace(at=now - page_tokens.LIVES_S - 60)
    stale = old.write(conn, listing_, UUID(int=7))
    problem(client.get("/v1/jobs", params={"pageToken": stale}), 400, "page_token_expired")


def _anybody() -> Any:
    from services.api.auth.principal import ANONYMOUS

    return ANONYMOUS


def _with_key(conn: Connection, new: bytes) -> page_keys.PageKeys:
    page_keys.make_page_key(conn, new)
    return page_keys.read_page_keys(conn)


def test_keys_change_by_the_week_and_the_one_before_is_believed(
    client: TestClient, conn: Connection, database_url: str, scratch: Path
) -> None:
    submitted(client), submitted(client)
    token = _next(client)
    # A week passes: the key is last week's, and the token is as young as it was.
    conn.execute(text("UPDATE page_token_keys SET week = week - 1"))
    made_in = _with_key(conn, b"n" * 32)
    assert sorted(made_in.secrets) == [made_in.week - 1, made_in.week]
    assert _with_key(conn, b"x" * 32).secrets == made_in.secrets, "the first key stays"
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    tokens = page_tokens.PageTokens(conn.engine)
    told = page_tokens.Listing("jobs", _anybody(), {})
    body = page_tokens._BODY.pack(1, made_in.week - 1, int(made_in.at), UUID(int=9).bytes, told.digest)
    signed = body + page_tokens._signature(made_in.secrets[made_in.week - 1], body, told)
    assert tokens.read(conn, told, page_tokens._text(signed)) == UUID(int=9)
    # Another week, and it is forgotten.
    conn.execute(text("UPDATE page_token_keys SET week = week - 1"))
    assert sorted(_with_key(conn, b"z" * 32).secrets) == [made_in.week - 1, made_in.week]
    assert sorted(conn.execute(text("SELECT week FROM page_token_keys")).scalars()) == [made_in.week - 1, made_in.week]
    with TestClient(an_app(database_url, scratch)) as replica:
        problem(replica.get("/v1/jobs", params={"pageToken": page_tokens._text(bytes(raw))}), 400, "page_token_invalid")


@pytest.mark.parametrize("root", ["", "/reports"])
def test_links_lead_to_the_next_page_and_to_the_first(database_url: str, scratch: Path, root: str) -> None:
    with TestClient(an_app(database_url, scratch, API_ROOT_PATH=root)) as client:
        jobs = [submitted(client, labels={"team": "r&d"}) for _ in range(3)]
        answer = client.get("/v1/jobs", params={"label": "team:r&d", "pageSize": 2, "status": ["PENDING", "FAILED"]})
        assert set(answer.links) == {"next", "first"}
        further, first = (answer.links[rel]["url"] for rel in ("next", "first"))
        assert further.startswith(f"{root}/v1/jobs?")
        assert dict(parse_qsl(urlsplit(first).query)) == {"label": "team:r&d", "pageSize": "2", "status": "PENDING"}
        assert [job["jobId"] for job in client.get(first).json()["jobs"]] == [jobs[2], jobs[1]]
        last = client.get(further)
        assert [job["jobId"] for job in last.json()["jobs"]] == [jobs[0]]
        assert set(last.links) == {"first"}
        assert client.get("/v1/jobs").headers["link"] == f'<{root}/v1/jobs>; rel="first"'
