"""HTTP as its RFCs define it: methods, conditions, preferences, ranges, queries, bodies."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.engine import Connection

from services.api.http.conditional import preferences
from services.api.settings import ApiSettings
from shared.access import api_keys
from shared.access.key_text import KeyText, new_key
from shared.runtime.settings import SettingsError
from tests.support.api_app import JSON, an_app, finished, problem
from tests.support.api_server import serving
from tests.support.jobs import count

_CONTENT = b"day\n2026-01-01\n"


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    with TestClient(an_app(database_url, scratch), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def file(client: TestClient, conn: Connection, scratch: Path) -> str:
    """The address of a finished file."""
    job = client.post("/v1/jobs").json()["jobId"]
    finished(conn, job, scratch, _CONTENT)
    return f"/v1/jobs/{job}/artifacts/calendar.csv"


def test_head_is_get_without_its_body(client: TestClient, file: str) -> None:
    job = file.split("/artifacts")[0]
    for path in (file, job, f"{job}/events", "/v1/jobs", "/v1/report-types", "/healthz", "/metrics", "/openapi.json"):
        head, whole = client.head(path), client.get(path)
        assert (head.status_code, head.content) == (200, b""), path
        assert head.headers["content-type"] == whole.headers["content-type"]
        if path != "/metrics":
            assert head.headers["content-length"] == str(len(whole.content)), path
    assert client.head(f"/v1/jobs/{uuid4()}").status_code == 404
    assert client.head("/generate-report").status_code == 405
    with_range = client.head(file, headers={"Range": "bytes=0-3"})
    assert (with_range.status_code, with_range.content) == (206, b"")


def test_head_on_a_socket_has_no_body(tmp_path: Path) -> None:
    with serving("postgresql://nobody@127.0.0.1:9/none", tmp_path) as server, server.connect() as connection:
        asked = b"HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answer = connection.send(asked).end()
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"\r\n\r\n")


def test_options_tells_the_methods(client: TestClient) -> None:
    answer = client.options("/v1/jobs")
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")
    assert client.options("/nowhere").status_code == 404
    of_a_link = client.options("/v1/jobs/01a2278a-f97a-7b68-b8d4-3432e2130c03/artifacts/a.csv:share")
    assert of_a_link.headers["allow"] == "OPTIONS, POST", "a file's name has no colon"


def test_pages_of_named_origins_may_read_the_api_and_nobody_elses(database_url: str, scratch: Path) -> None:
    settings = {"API_CORS_ORIGINS": "https://a.example, http://localhost:5173", "API_AUTH": "keys"}
    with TestClient(an_app(database_url, scratch, **settings), base_url="http://127.0.0.1") as client:
        asks = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
        first = client.options("/v1/jobs", headers=asks)
        assert (first.status_code, first.headers["access-control-allow-origin"]) == (204, "https://a.example")
        assert first.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS, POST"
        assert "Idempotency-Key" in first.headers["access-control-allow-headers"]
        assert first.headers["access-control-max-age"] == "600"
        refused = client.post("/v1/jobs", headers={"Origin": "http://localhost:5173"})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "http://localhost:5173")
        assert "Retry-After" in refused.headers["access-control-expose-headers"]
        for path, origin in (("/v1/jobs", "https://b.example"), ("/v1/jobs", "null"), ("/v1/jobs", None)):
            answer = client.get(path, headers={} if origin is None else {"Origin": origin})
            assert "access-control-allow-origin" not in answer.headers
            assert "Origin" in answer.headers["vary"]
        page = client.get("/console/sign-in", headers={"Origin": "https://a.example"})
        assert [name for name in page.headers if name.startswith("access-control")] == []
        assert "access-control-allow-credentials" not in first.headers


@pytest.mark.parametrize("origin", ["*", "https://a.example/", "a.example", "https://A.example", "https://a.example:x"])
def test_what_is_no_origin_is_told_at_the_start(origin: str) -> None:
    with pytest.raises(SettingsError, match=r"API_CORS_ORIGINS.*is not an origin"):
        ApiSettings.from_environment({"DATABASE_URL": "postgresql://h/d", "API_CORS_ORIGINS": origin})


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["{tag}"], 304),
        (["W/{tag}"], 304),
        (["*"], 304),
        (['"a", {tag} , "b"'], 304),
        (['"a"', "{tag}"], 304),
        ([',, "a",,{tag},'], 304),
        (['"x{bare}y"'], 200),
        (['"x,{bare}"'], 200),
        (["{bare}"], 200),
        (['"a"{bare}"b"'], 200),
        (['"a" {tag}'], 200),
        (['"a", *'], 200),
        (["w/{tag}"], 200),
    ],
)
def test_if_none_match_is_a_list_of_tags(lines: list[str], status: int, client: TestClient, file: str) -> None:
    for path in (file, file.split("/artifacts")[0]):
        tag = client.get(path).headers["etag"]
        headers = [("If-None-Match", line.format(tag=tag, bare=tag.strip('"'))) for line in lines]
        answer = client.get(path, headers=headers)
        assert answer.status_code == status, path
        assert answer.headers["etag"] == tag


def test_if_match_insists(client: TestClient, file: str) -> None:
    for path in (file, file.split("/artifacts")[0]):
        tag = client.get(path).headers["etag"]
        for matching in (tag, "*", f'"a", {tag}'):
            assert client.get(path, headers={"If-Match": matching}).status_code == 200
        for other in ('"zzz"', f"W/{tag}", tag.strip('"')):
            problem(client.get(path, headers={"If-Match": other}), 412, "precondition_failed")


@pytest.mark.parametrize(
    ("lines", "preferred"),
    [
        (["wait=2"], {"wait": "2"}),
        (["WAIT = 2"], {"wait": "2"}),
        (['wait="2"'], {"wait": "2"}),
        (["respond-async", "wait=2"], {"respond-async": "", "wait": "2"}),
        (["respond-async, wait=2;x=3; y"], {"respond-async": "", "wait": "2"}),
        (["wait=2, wait=9"], {"wait": "2"}),
        (["foo;wait=2"], {"foo": ""}),
        (['x="a, wait=2"'], {"x": "a, wait=2"}),
        (['x="a\\", wait=3", wait=2'], {"x": 'a", wait=3', "wait": "2"}),
        (["wait=2.5"], {"wait": "2.5"}),
        (["=2, wait=2"], {}),
        ([""], {}),
    ],
)
def test_preferences_are_read_as_rfc_7240_has_them(lines: list[str], preferred: dict[str, str]) -> None:
    assert preferences(lines) == preferred


def test_a_preference_is_honoured_however_it_is_written(client: TestClient, file: str) -> None:
    job = file.split("/artifacts")[0]
    for lines in (["respond-async", "wait=2"], ['Wait="2"'], ["foo, wait=2"]):
        answer = client.get(job, headers=[("Prefer", line) for line in lines])
        assert answer.headers["preference-applied"] == "wait=2"
    for line in ("foo;wait=2", "wait=2.5", "wait=-1", "wait"):
        answer = client.get(job, headers={"Prefer": line})
        assert "preference-applied" not in answer.headers
        assert answer.headers["vary"] == "Prefer"


@pytest.mark.parametrize("asked", ["bytes=15-", "bytes=99-100", "bytes=-0", "bytes=20-30,40-"])
def test_ranges_that_the_file_does_not_have_are_a_problem(asked: str, client: TestClient, file: str) -> None:
    answer = client.get(file, headers={"Range": asked})
    problem(answer, 416, "range_not_satisfiable")
    assert answer.headers["content-range"] == "bytes */15"


def test_ranges_of_a_file(client: TestClient, file: str) -> None:
    tag = client.get(file).headers["etag"]
    part = client.get(file, headers={"Range": "bytes=4-7,99-"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"2026", "bytes 4-7/15")
    for headers in ({"Range": "lines=0-3"}, {"Range": "bytes=0-3", "If-Range": '"other"'}):
        whole = client.get(file, headers=headers)
        assert (whole.status_code, whole.content) == (200, _CONTENT)
    assert client.get(file, headers={"Range": "bytes=0-3", "If-Range": tag}).content == b"day\n"
    assert "last-modified" not in whole.headers, "no condition on times can be right"


@pytest.mark.parametrize(
    ("path", "field", "said"),
    [
        ("/v1/jobs?pagesize=1", "pagesize", "pageSize"),
        ("/v1/jobs?state=FAILED", "state", "status"),
        ("/v1/jobs?pageSize=1&pageSize=2", "pageSize", "once"),
        ("/v1/jobs?reportType=a&reportType=b", "reportType", "once"),
        ("/v1/report-types?x=1", "x", "has none"),
        ("/v1/jobs/{job}?wait=30", "wait", "has none"),
        ("/v1/jobs/{job}/events?page=1", "page", "has none"),
    ],
)
def test_what_an_operation_does_not_know_is_refused_by_name(
    path: str, field: str, said: str, client: TestClient, file: str
) -> None:
    answer = client.get(path.format(job=file.split("/")[3]))
    (violation,) = problem(answer, 422, "invalid_request")["violations"]
    assert violation["field"] == field
    assert said in violation["message"]


def test_a_submission_has_no_query(client: TestClient, conn: Connection) -> None:
    for path in ("/generate-report?reportType=calendar", "/v1/jobs?x"):
        problem(client.post(path), 422, "invalid_request")
    assert count(conn, "jobs") == 0


@pytest.mark.parametrize(
    ("body", "headers", "status", "said"),
    [
        (b"\xef\xbb\xbf{}", {}, 202, ""),
        (b"{}", {"Content-Type": 'application/json; charset="UTF-8"'}, 202, ""),
        (b"{}", {"Content-Type": "application/json;charset=shift_jis"}, 415, "UTF-8"),
        (b"{}", {"Content-Encoding": "gzip"}, 415, "gzip"),
        (b"{}", {"Content-Encoding": "identity"}, 202, ""),
        (b"\x1f\x8b\x08", {}, 400, "gzip"),
        ("{}".encode("utf-16"), {}, 400, "UTF-16"),
        ("{}".encode("utf-16-le"), {}, 400, "UTF-16"),
        ('{"parameters": {"from": "\u65e5"}}'.encode("shift_jis"), {}, 400, "UTF-8"),
        (b'{"reportType": "calendar", "reportType": "calendar"}', {}, 400, "'reportType' twice"),
        (b'{"parameters": {"from": "2026-01-01", "fr\\u006fm": "2026-01-01"}}', {}, 400, "'from' twice"),
        (b'{"parameters": {"from": "a \\":", "to": "\\":"}}', {}, 422, "problems"),
        (b'{"formats": []}', {}, 422, "one problem"),
    ],
)
def test_bodies(body: bytes, headers: dict[str, str], status: int, said: str, client: TestClient) -> None:
    answer = client.post("/v1/jobs", content=body, headers={**JSON, **headers})
    assert answer.status_code == status, answer.text
    assert said in answer.json().get("detail", "")
    if "Content-Encoding" in headers and status == 415:
        assert answer.headers["accept-encoding"] == "identity"


def test_formats_without_one_say_what_to_do(client: TestClient) -> None:
    told = problem(client.post("/v1/jobs", json={"formats": []}), 422, "invalid_request")
    assert "at least one" in told["violations"][0]["message"]


def test_jobs_can_be_submitted_where_they_are_listed(client: TestClient) -> None:
    assert client.post("/jobs").status_code == 202
    assert "POST" in problem(client.get("/generate-report"), 405, "method_not_allowed")["detail"]


def test_a_job_has_one_address(client: TestClient, file: str) -> None:
    job = UUID(file.split("/")[3])
    for spelling in (str(job).upper(), job.hex, f"{{{job}}}", f"urn:uuid:{job}"):
        if spelling != str(job):
            answer = client.get(f"/v1/jobs/{spelling}/events")
            problem(answer, 404, "unknown_path" if ":" in spelling else "unknown_job")


def test_an_encoded_colon_is_a_colon_and_its_answer_is_described(client: TestClient, file: str) -> None:
    job = file.split("/")[3]
    answer = client.get(f"/v1/jobs/{job}%3Acancel")

    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "OPTIONS, POST"
    described = client.get("/openapi.json").json()["paths"]["/v1/jobs/{job_id}"]["get"]["responses"]
    assert described["405"]["content"].keys() == {"application/problem+json"}


@pytest.fixture
def keyed(database_url: str, conn: Connection, scratch: Path) -> Iterator[tuple[TestClient, str]]:
    key = api_keys.create_key(conn, tenant="acme", name="k")
    with TestClient(an_app(database_url, scratch, API_AUTH="keys"), raise_server_exceptions=False) as client:
        yield client, key


def test_who_has_no_key_learns_nothing_else(keyed: tuple[TestClient, str]) -> None:
    client, _ = keyed
    for path in ("abc", "?foo=1", "/x/events", "/x/artifacts/y", "/%00"):
        problem(client.get(f"/v1/jobs/{path}" if path[0] not in "?/" else f"/v1/jobs{path}"), 401, "unauthorized")
    for path in ("/v1/report-types", "/v1/report-types/none"):
        problem(client.get(path), 401, "unauthorized")
    problem(client.post("/v1/jobs/abc:cancel"), 401, "unauthorized")
    problem(client.post("/v1/jobs?x=1", content=b"{"), 401, "unauthorized")


def test_guesses_are_bounded_before_any_look_up_and_harm_nobody_who_is_known(
    keyed: tuple[TestClient, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, key = keyed
    looked_up: list[KeyText] = []
    owner_of = api_keys.owner_of

    def note(conn: Connection, key: KeyText) -> api_keys.Owner | None:
        looked_up.append(key)
        return owner_of(conn, key)

    monkeypatch.setattr(api_keys, "owner_of", note)

    def ask(which: str) -> Any:
        return client.get("/v1/jobs", headers={"Authorization": f"Bearer {which}"})

    assert ask(key).status_code == 200
    looked_up.clear()
    answers = [ask(new_key("live")) for n in range(200)]
    assert {a.status_code for a in answers} == {401, 429}
    assert "retry-after" in answers[-1].headers
    assert len(looked_up) < 100
    assert ask(key).status_code == 200


def test_a_wrong_key_that_comes_again_is_not_looked_up_again(
    keyed: tuple[TestClient, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _ = keyed
    looked_up: list[KeyText] = []
    wrong = new_key("live")
    monkeypatch.setattr(api_keys, "owner_of", lambda _, h: looked_up.append(h))
    for _ in range(10):
        client.get("/v1/jobs", headers={"Authorization": f"Bearer {wrong}"})
    assert len(looked_up) == 1


def test_a_path_without_a_version_says_so_and_the_first_contract_stays(client: TestClient, file: str) -> None:
    job = file.removeprefix("/v1").split("/artifacts")[0]
    for path in ("/jobs", f"{job}/events", file.removeprefix("/v1"), f"{job}:cancel"):
        answer = client.get(path)
        assert answer.headers["deprecation"] == "@1795910400", path
        assert 'rel="deprecation"' in answer.headers["link"]
        assert "deprecation" not in client.get(f"/v1{path}").headers
    for answer in (client.get(job), client.head(job), client.post("/generate-report")):
        assert "deprecation" not in answer.headers


def test_the_description_tells_what_is_sent(client: TestClient, file: str) -> None:
    described = client.get("/openapi.json").json()
    assert "HTTPValidationError" not in json.dumps(described)
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            name = f"{method} {path}"
            old = not path.startswith("/v1/") and name not in ("post /generate-report", "get /jobs/{job_id}")
            assert operation.get("deprecated", False) is old, name
            assert {"405", "500"} <= set(operation["responses"]), name
            for status, answer in operation["responses"].items():
                if status[0] in "45":
                    [(media_type, body)] = answer["content"].items()
                    assert media_type == "application/problem+json", f"{name} {status}"
                    assert body["schema"] == {"$ref": "#/components/schemas/ProblemView"}, f"{name} {status}"
    job = described["paths"]["/v1/jobs/{job_id}"]["get"]
    assert {p["name"] for p in job["parameters"]} == {"job_id", "If-None-Match", "If-Match", "Prefer"}
    answer = client.get(file.split("/artifacts")[0], headers={"Prefer": "wait=1"})
    assert {"ETag", "Preference-Applied", "X-Request-Id"} <= set(job["responses"]["200"]["headers"])
    assert {"etag", "preference-applied", "x-request-id"} <= set(answer.headers)
