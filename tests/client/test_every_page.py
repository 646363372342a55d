"""Results of a bulk action and the audit trail up to their ends: a page may be empty although more follow."""

from typing import Any

import httpx2

from tests.client.conftest import Make
from tests.client.samples import JOB_ID


def _pages(request: httpx2.Request, name: str, one: dict[str, Any], other: dict[str, Any]) -> httpx2.Response:
    pages: dict[str | None, tuple[list[dict[str, Any]], str | None]] = {
        None: ([one], "2"), "2": ([], "3"), "3": ([other], None),
    }  # fmt: skip
    items, following = pages[request.url.params.get("pageToken")]
    return httpx2.Response(200, json={name: items, "nextPageToken": following})


def test_what_became_of_each_job_of_an_action_is_gone_through(make: Make) -> None:
    asked: list[str | None] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.params.get("outcome"))
        one = {"jobId": JOB_ID, "outcome": "refused"}
        return _pages(request, "results", one, one | {"code": "job_not_ended"})

    found = list(make(handler=handler).bulk.iter_results(JOB_ID, outcome="refused"))
    assert [one.code for one in found] == [None, "job_not_ended"]
    assert asked == ["refused"] * 3


def test_the_audit_trail_is_gone_through(make: Make) -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        assert request.url.params["action"] == "key.create"
        one = {"id": "2", "action": "key.create", "object": "key:a", "at": "2026-01-31T12:00:00+00:00"}
        return _pages(request, "entries", one, one | {"id": "1"})

    assert [one.id for one in make(handler=handler).audit.iter(action="key.create")] == ["2", "1"]
