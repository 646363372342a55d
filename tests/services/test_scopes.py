"""Within a tenant: what a key's scopes allow, which jobs it can see, and which files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy.engine import Connection

from shared.access import api_keys
from shared.access.key_text import read_key
from shared.access.scopes import USUAL, Scope
from shared.jobs.artifacts import Artifact
from shared.jobs.succeed import Success, succeed
from tests.support.api_app import an_app
from tests.support.jobs import row, started

OWN = USUAL - {Scope.JOBS_READ_ALL}
FILE = Artifact("pay.csv", "csv", "text/csv", 3, "0" * 64, 1)
TYPES = {
    "common": 'title = "Common"\n',
    "pay": 'title = "Pay"\n[columns.salary]\nrequired_scope = "payroll:read"\n',
    "board": 'title = "Board"\nrequired_scope = "board:read"\n',
    "acme-only": 'title = "Acme"\ntenants = ["acme"]\n',
}


class Clients:
    """One API, and who asks it by the names of their keys."""

    def __init__(self, client: TestClient, conn: Connection) -> None:
        self._client, self._conn = client, conn
        self._keys: dict[str, str] = {}

    def add(self, name: str, scopes: frozenset[str], tenant: str = "acme") -> None:
        self._keys[name] = api_keys.create_key(self._conn, tenant=tenant, name=name, scopes=scopes)

    def ask(self, name: str, method: str, path: str, **more: Any) -> Response:
        headers = {"Authorization": f"Bearer {self._keys[name]}", **more.pop("headers", {})}
        answer: Response = self._client.request(method, path, headers=headers, **more)
        return answer

    def submit(self, name: str, report_type: str = "common", **headers: str) -> UUID:
        answer = self.ask(name, "POST", "/v1/jobs", json={"reportType": report_type}, headers=headers)
        assert answer.status_code == 202, answer.text
        return UUID(answer.json()["jobId"])


@pytest.fixture
def clients(database_url: str, conn: Connection, scratch: Path, tmp_path: Path) -> Iterator[Clients]:
    for name, toml in TYPES.items():
        (tmp_path / "catalog" / name).mkdir(parents=True)
        (tmp_path / "catalog" / name / "report.toml").write_text(f'formats = ["csv"]\n{toml}')
        (tmp_path / "catalog" / name / "query.sql").write_text("SELECT 1 AS salary ORDER BY 1")
    app = an_app(database_url, scratch, API_AUTH="keys", CATALOG_PATH=str(tmp_path / "catalog"))
    with TestClient(app, raise_server_exceptions=False) as client:
        made = Clients(client, conn)
        for name, scopes in {"ann": OWN, "ben": OWN, "chief": USUAL, "payroll": USUAL | {"payroll:read"}}.items():
            made.add(name, scopes)
        made.add("eve", USUAL, tenant="globex")
        yield made


def test_each_operation_names_the_scope_that_is_missing(clients: Clients) -> None:
    job_id = clients.submit("ann")
    needs = {
        ("POST", "/v1/jobs"): Scope.JOBS_CREATE, ("GET", "/v1/jobs"): Scope.JOBS_READ,
        ("GET", f"/v1/jobs/{job_id}"): Scope.JOBS_READ, ("GET", f"/v1/jobs/{job_id}/events"): Scope.JOBS_READ,
        ("GET", f"/v1/jobs/{job_id}/artifacts/x"): Scope.JOBS_READ,
        ("POST", f"/v1/jobs/{job_id}:cancel"): Scope.JOBS_CANCEL,
    }  # fmt: skip
    assert clients.ask("chief", "POST", f"/v1/jobs/{clients.submit('chief')}:cancel").status_code == 200
    clients.add("cancels blindly", frozenset({Scope.JOBS_CANCEL}))
    blind = clients.ask("cancels blindly", "POST", f"/v1/jobs/{job_id}:cancel")
    assert (blind.status_code, Scope.JOBS_READ in blind.json()["detail"]) == (403, True)
    for scope in set(needs.values()):
        clients.add(f"without {scope}", USUAL - {scope})
    for (method, path), scope in needs.items():
        answer = clients.ask(f"without {scope}", method, path)
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope"), path
        assert (
            answer.headers["www-authenticate"] == f'Bearer realm="todoke", error="insufficient_scope", scope="{scope}"'
        )
        assert scope in answer.json()["detail"]


def test_a_person_sees_its_own_jobs_and_who_reads_all_sees_the_tenants(clients: Clients, conn: Connection) -> None:
    anns, bens = [clients.submit("ann") for _ in "12"], clients.submit("ben")

    def listed(name: str, **query: Any) -> list[str]:
        return [job["jobId"] for job in clients.ask(name, "GET", "/v1/jobs", params=query).json()["jobs"]]

    assert listed("ann") == [str(i) for i in reversed(anns)]
    assert listed("ann", pageSize=1) == [str(anns[1])]
    token = clients.ask("ann", "GET", "/v1/jobs", params={"pageSize": 1}).json()["nextPageToken"]
    assert listed("ann", pageSize=1, pageToken=token) == [str(anns[0])]
    assert listed("ann", status="PENDING") == [str(i) for i in reversed(anns)]
    assert listed("chief") == [str(bens), *(str(i) for i in reversed(anns))]
    assert listed("eve") == []
    for method, path in (("GET", ""), ("GET", "/events"), ("GET", "/artifacts/pay.csv"), ("POST", ":cancel")):
        for stranger in ("ben", "eve"):
            answer = clients.ask(stranger, method, f"/v1/jobs/{anns[0]}{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_job"), path
    assert row(conn, anns[0]).status == "PENDING"
    assert clients.ask("chief", "GET", f"/v1/jobs/{anns[0]}").json()["requestedBy"] == "ann"
    assert clients.ask("chief", "POST", f"/v1/jobs/{anns[0]}:cancel").status_code == 200


def test_a_report_type_that_may_not_be_asked_for_does_not_exist(clients: Clients) -> None:
    clients.add("board member", OWN | {"board:read"})
    board = clients.submit("board member", "board")

    def names(of: str) -> set[str]:
        return {one["name"] for one in clients.ask(of, "GET", "/v1/report-types").json()["reportTypes"]}

    assert names("board member") == {"common", "pay", "board", "acme-only"}
    assert names("chief") == {"common", "pay", "acme-only"}
    assert names("eve") == {"common", "pay"}
    for who, hidden in (("chief", "board"), ("eve", "acme-only"), ("eve", "board")):
        nearly = clients.ask(who, "POST", "/v1/jobs", json={"reportType": hidden[:-1]})
        assert hidden not in nearly.text, "no suggestion tells that it exists"
        for answer in (
            nearly,
            clients.ask(who, "GET", f"/v1/report-types/{hidden}"),
            clients.ask(who, "POST", "/v1/jobs", json={"reportType": hidden}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_report_type")
    # Not in its history, either, though `chief` reads everybody's jobs.
    assert clients.ask("chief", "GET", f"/v1/jobs/{board}").status_code == 404
    assert clients.ask("chief", "GET", f"/v1/jobs/{board}/events").status_code == 404
    assert clients.ask("chief", "POST", f"/v1/jobs/{board}:cancel").status_code == 404
    assert clients.ask("chief", "GET", "/v1/jobs").json()["jobs"] == []


def test_files_ask_for_the_scopes_of_their_columns_again(clients: Clients, conn: Connection) -> None:
    with_salary, without = clients.submit("payroll", "pay"), clients.submit("chief", "pay")
    assert row(conn, with_salary).scopes == ["payroll:read"]
    assert row(conn, without).scopes is None
    for job_id in (with_salary, without):
        lease = started(conn, job_id).lease
        assert succeed(conn, [Success(lease, [FILE], 1.0)])

    def seen(name: str, job_id: UUID) -> tuple[int, list[str], int]:
        result = clients.ask(name, "GET", f"/v1/jobs/{job_id}").json()["result"]
        [listed] = [
            job["result"] for job in clients.ask(name, "GET", "/v1/jobs").json()["jobs"] if job["jobId"] == str(job_id)
        ]
        assert listed == result
        status = clients.ask(name, "GET", f"/v1/jobs/{job_id}/artifacts/pay.csv").status_code
        return len(result["artifacts"]), result["requiredScopes"], status

    assert seen("chief", with_salary) == (0, ["payroll:read"], 403)
    assert seen("payroll", with_salary) == (1, ["payroll:read"], 410)  # no bytes were stored in this test
    assert seen("chief", without) == (1, [], 410)


def test_an_idempotency_key_replays_for_its_requester_only(clients: Clients) -> None:
    key = {"Idempotency-Key": "monday"}
    first = clients.submit("ann", **key)
    assert clients.submit("ann", **key) == first
    for other in ("ben", "chief"):
        answer = clients.ask(other, "POST", "/v1/jobs", json={"reportType": "common"}, headers=key)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
        assert str(first) not in answer.text
    assert clients.submit("eve", **key) != first


def test_a_key_ends_when_its_time_is_over(clients: Clients, conn: Connection) -> None:
    key = api_keys.create_key(conn, tenant="acme", name="short", valid_s=3600)
    text = read_key(key)
    owner = api_keys.owner_of(conn, text)
    assert owner is not None
    assert owner[:3] == ("acme", "short", USUAL)
    conn.exec_driver_sql("UPDATE api_keys SET expires_at = clock_timestamp() - interval '1 s' WHERE name = 'short'")
    assert api_keys.owner_of(conn, text) is None
