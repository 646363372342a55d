"""Requests about bulk actions."""

from collections.abc import Mapping
from typing import Any

from todoke._core.config import Config
from todoke._core.jobs import key_header
from todoke._core.paging import every
from todoke._core.requests import Request, content_of, segment, send
from todoke._core.steps import Flow
from todoke.bulk_actions import BulkAction, BulkActionsPage, BulkResultsPage
from todoke.options import as_query


def create(
    config: Config,
    action: str,
    which: Mapping[str, Any],
    *,
    reason: str | None,
    dry_run: bool,
    idempotency_key: str | None,
) -> Flow[BulkAction]:
    """Create an action."""
    wanted = as_query(which)
    if isinstance(wanted.get("status"), str):
        wanted["status"] = [wanted["status"]]
    body: dict[str, Any] = {"action": action, "filter": wanted, "dryRun": dry_run}
    if reason is not None:
        body["reason"] = reason
    headers, fine = key_header(idempotency_key), frozenset({201, 202})
    return _read((yield from send(config, Request("POST", "/v1/bulk", body=body, headers=headers, fine=fine))))


def get(config: Config, bulk_id: object) -> Flow[BulkAction]:
    """One action."""
    return _read((yield from send(config, Request("GET", _path(bulk_id)))))


def run(config: Config, bulk_id: object) -> Flow[BulkAction]:
    """Carry out a dry run."""
    return _read((yield from send(config, Request("POST", _path(bulk_id, ":run"), fine=frozenset({202})))))


def stop(config: Config, bulk_id: object) -> Flow[BulkAction]:
    """Stop an action."""
    return _read((yield from send(config, Request("POST", _path(bulk_id, ":stop")))))


def list_page(config: Config, *, page_size: int | None, page_token: str | None) -> Flow[BulkActionsPage]:
    """One page of actions."""
    query = {"pageSize": page_size, "pageToken": page_token}
    return BulkActionsPage.from_json(content_of((yield from send(config, Request("GET", "/v1/bulk", query=query)))))


def results(
    config: Config, bulk_id: object, *, outcome: str | None, page_size: int | None, page_token: str | None
) -> Flow[BulkResultsPage]:
    """One page of an action's outcomes per job."""
    query = {"outcome": outcome, "pageSize": page_size, "pageToken": page_token}
    request = Request("GET", _path(bulk_id, "/results"), query=query)
    return BulkResultsPage.from_json(content_of((yield from send(config, request))))


def iterate_results(config: Config, bulk_id: object, *, outcome: str | None, page_size: int | None) -> Flow[None]:
    """Emit the outcome for every job of an action, page by page."""
    yield from every(
        lambda token: results(config, bulk_id, outcome=outcome, page_size=page_size, page_token=token),
        lambda page: page.results,
    )


def _read(answer: Any) -> BulkAction:
    return BulkAction.from_json(content_of(answer))


def _path(bulk: object, rest: str = "") -> str:
    bulk_id = bulk.id if isinstance(bulk, BulkAction) else str(bulk)
    return f"/v1/bulk/{segment(bulk_id, 'bulk action')}{rest}"
