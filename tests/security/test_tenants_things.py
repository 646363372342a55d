"""Promise 7 for everything with an id: another tenant's is as unknown as a nonexistent one, in every operation."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy.engine import Connection

from shared.access import api_keys
from shared.access.scopes import OF_ALL_TENANTS, OWN
from shared.webhooks.spread import spread
from tests.support.api_app import an_app, finished
from tests.support.webhooks import secret_keys

_ID = re.compile(r"{(\w+_id)}")
_BODIES: Mapping[str, Mapping[str, object]] = {
    "/v1/webhooks/{webhook_id}:redeliver": {"since": "2026-01-01T00:00:00Z"},
}
"""What an operation cannot do without: its absence is told before anything is looked for."""


class _Tenants:
    def __init__(self, client: TestClient, conn: Connection, scratch: Path) -> None:
        self.client = client
        self.owner, self.stranger = (
            api_keys.create_key(conn, tenant=name, name="t", scopes=OWN - OF_ALL_TENANTS) for name in ("acme", "other")
        )
        self.ids = self._made(conn, scratch)

    def ask(self, key: str, method: str, path: str, body: Mapping[str, object] | None = None) -> Response:
        sent = {} if method in {"POST", "PUT", "PATCH"} and body is None else body
        answer: Response = self.client.request(method, path, headers={"Authorization": f"Bearer {key}"}, json=sent)
        return answer

    def _made(self, conn: Connection, scratch: Path) -> Mapping[str, str]:
        """One of everything that the owner can have, by the parameter that names it."""

        def make(path: str, body: Mapping[str, object], name: str) -> str:
            answer = self.ask(self.owner, "POST", path, body)
            assert answer.status_code < 300, answer.text
            made: str = answer.json()[name]
            return made

        job = make("/v1/jobs", {"reportType": "calendar"}, "jobId")
        finished(conn, job, scratch)
        webhook = make("/v1/webhooks", {"url": "https://example.com/", "types": ["job.succeeded"]}, "webhookId")
        make(f"/v1/webhooks/{webhook}:test", {}, "deliveryId")
        spread(conn, most=10)
        schedule = {"name": "nightly", "reportType": "calendar", "cron": "0 3 * * *", "timeZone": "UTC"}
        deliveries = self.ask(self.owner, "GET", f"/v1/webhooks/{webhook}/deliveries").json()["deliveries"]
        return {
            "job_id": job,
            "bulk_id": make("/v1/bulk", {"action": "cancel", "filter": {"status": ["PENDING"]}}, "bulkId"),
            "schedule_id": make("/v1/schedules", schedule, "scheduleId"),
            "share_id": make(f"/v1/jobs/{job}/artifacts/calendar.csv:share", {}, "shareId"),
            "webhook_id": webhook,
            "delivery_id": deliveries[0]["deliveryId"],
            "key_id": make("/v1/keys", {"name": "more", "scopes": ["jobs:read"]}, "keyId"),
        }


@pytest.fixture
def tenants(database_url: str, conn: Connection, scratch: Path, tmp_path: Path) -> Iterator[_Tenants]:
    secret_keys(tmp_path)
    app = an_app(database_url, scratch, API_AUTH="keys", SECRETS_KEY_FILE=str(tmp_path / "secrets.keys"))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield _Tenants(client, conn, scratch)


def test_another_tenants_things_are_as_unknown_as_none(tenants: _Tenants) -> None:
    paths: Mapping[str, Mapping[str, Any]] = tenants.client.get("/openapi.json").json()["paths"]
    nothing = {name: _unknown(name, one) for name, one in tenants.ids.items()}
    asked = 0
    for template, methods in paths.items():
        named = _ID.findall(template)
        assert set(named) <= set(tenants.ids), f"a new kind of thing: make one of it here, for {template}"
        for method in map(str.upper, methods if named else ()):
            met, missed = (
                _told(tenants.ask(tenants.stranger, method, _filled(template, ids), _BODIES.get(template)), ids)
                for ids in (tenants.ids, nothing)
            )
            asked += 1
            assert met[0] == 404, f"{method} {template}: {met}"
            assert met == missed, f"{method} {template}"
    assert asked > 40


def test_their_owner_finds_them(tenants: _Tenants) -> None:
    """Or the test above would pass on an API that finds nothing."""
    for path in (
        "/v1/jobs/{job_id}", "/v1/bulk/{bulk_id}", "/v1/schedules/{schedule_id}", "/v1/shares/{share_id}",
        "/v1/keys/{key_id}", "/v1/webhooks/{webhook_id}", "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}",
    ):  # fmt: skip
        answer = tenants.ask(tenants.owner, "GET", _filled(path, tenants.ids))
        assert answer.status_code == 200, answer.text


def _filled(template: str, ids: Mapping[str, str]) -> str:
    return _ID.sub(lambda found: ids[found[1]], template).replace("{name}", "calendar.csv")


def _unknown(name: str, one: str) -> str:
    """An id of the same form that nothing has."""
    return "a" * len(one) if name == "key_id" else f"{one[:14]}{str(uuid4())[14:]}"


def _told(answer: Response, ids: Mapping[str, str]) -> tuple[int, str, Mapping[str, str]]:
    """What an answer tells, without the ids that were asked for and those of this very request."""
    text = answer.text
    for one in (*ids.values(), answer.headers["x-request-id"]):
        text = text.replace(one, "ID")
    headers = {name: value for name, value in answer.headers.items() if name not in {"x-request-id", "content-length"}}
    return answer.status_code, text, headers
