"""Requests about pauses and caps."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from todoke._core.config import Config
from todoke._core.requests import Request, content_of, segment, send
from todoke._core.steps import Flow
from todoke.gates import Gate, Gates


def list_gates(config: Config, kind: str | None) -> Flow[Gates]:
    """Everything that is paused or capped."""
    return Gates.from_json(content_of((yield from send(config, Request("GET", "/v1/gates", query={"kind": kind})))))


def get_gate(config: Config, kind: str, name: str) -> Flow[Gate]:
    """Return the pause and the caps of one gate."""
    return (yield from _gate(config, Request("GET", _path(kind, name))))


def pause(
    config: Config, kind: str, name: str, *, reason: str, until: datetime | str | None, if_match: str | None
) -> Flow[Gate]:
    """Start no more of its jobs."""
    body = {"reason": reason, **({} if until is None else {"until": until})}
    return (yield from _gate(config, _change("POST", _path(kind, name, ":pause"), if_match, body)))


def resume(config: Config, kind: str, name: str, *, if_match: str | None) -> Flow[Gate]:
    """End its pause."""
    return (yield from _gate(config, _change("POST", _path(kind, name, ":resume"), if_match)))


def set_cap(config: Config, kind: str, name: str, most_running: int, *, if_match: str | None) -> Flow[Gate]:
    """Limit its running jobs."""
    body = {"mostRunning": most_running}
    return (yield from _gate(config, _change("PUT", _path(kind, name, "/cap"), if_match, body)))


def remove_cap(config: Config, kind: str, name: str, *, if_match: str | None) -> Flow[None]:
    """Remove the limit on its running jobs."""
    yield from send(config, _change("DELETE", _path(kind, name, "/cap"), if_match, status=204))


def set_queue_cap(config: Config, tenant: str, most_unfinished: int, *, if_match: str | None) -> Flow[Gate]:
    """Limit a tenant's unfinished jobs."""
    body = {"mostUnfinished": most_unfinished}
    return (yield from _gate(config, _change("PUT", _path("tenant", tenant, "/queue-cap"), if_match, body)))


def remove_queue_cap(config: Config, tenant: str, *, if_match: str | None) -> Flow[None]:
    """Remove the limit on a tenant's unfinished jobs."""
    yield from send(config, _change("DELETE", _path("tenant", tenant, "/queue-cap"), if_match, status=204))


def _gate(config: Config, request: Request) -> Flow[Gate]:
    return Gate.from_json(content_of((yield from send(config, request))))


def _change(
    method: str, path: str, if_match: str | None, body: Mapping[str, Any] | None = None, *, status: int = 200
) -> Request:
    headers = {} if if_match is None else {"If-Match": if_match}
    return Request(method, path, body=body, headers=headers, fine=frozenset({status}))


def _path(kind: str, name: str, rest: str = "") -> str:
    return f"/v1/gates/{segment(kind.replace('-', '_'), 'kind')}/{segment(name, kind)}{rest}"
