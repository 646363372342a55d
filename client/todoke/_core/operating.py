"""Requests for operators: the overview, dead letters, parked messages."""

from collections.abc import Sequence
from typing import Any, Literal

from todoke._core.config import Config
from todoke._core.requests import Request, content_of, send
from todoke._core.steps import Flow
from todoke.installation import Overview
from todoke.put_aside import DeadLettersPage, HandledMessages, ParkedMessagesPage

_DEAD_LETTERS, _PARKED = "/v1/dead-letters", "/v1/outbox/parked"

Which = Sequence[str] | Literal["all"]


def overview(config: Config, period: str) -> Flow[Overview]:
    """Return the state of the whole installation."""
    return Overview.from_json((yield from _got(config, "/v1/overview", {"period": period})))


def list_dead_letters(config: Config, *, page_size: int | None, page_token: str | None) -> Flow[DeadLettersPage]:
    """One page of dead letters."""
    return DeadLettersPage.from_json((yield from _got(config, _DEAD_LETTERS, _page(page_size, page_token))))


def redrive_dead_letters(config: Config, which: Which, *, reason: str, dry_run: bool) -> Flow[HandledMessages]:
    """Send dead letters to the queue again."""
    return (yield from _handled(config, f"{_DEAD_LETTERS}:redrive", which, reason, dry_run))


def drop_dead_letters(config: Config, which: Which, *, reason: str, dry_run: bool) -> Flow[HandledMessages]:
    """Delete dead letters."""
    return (yield from _handled(config, f"{_DEAD_LETTERS}:drop", which, reason, dry_run))


def list_parked_messages(config: Config, *, page_size: int | None, page_token: str | None) -> Flow[ParkedMessagesPage]:
    """One page of parked messages."""
    return ParkedMessagesPage.from_json((yield from _got(config, _PARKED, _page(page_size, page_token))))


def requeue_parked_messages(config: Config, which: Which, *, reason: str, dry_run: bool) -> Flow[HandledMessages]:
    """Send parked messages again."""
    return (yield from _handled(config, f"{_PARKED}:requeue", which, reason, dry_run))


def drop_parked_messages(config: Config, which: Which, *, reason: str, dry_run: bool) -> Flow[HandledMessages]:
    """Delete parked messages."""
    return (yield from _handled(config, f"{_PARKED}:drop", which, reason, dry_run))


def _handled(config: Config, path: str, which: Which, reason: str, dry_run: bool) -> Flow[HandledMessages]:
    body = {**_named(which), "reason": reason, "dryRun": dry_run}
    return HandledMessages.from_json(content_of((yield from send(config, Request("POST", path, body=body)))))


def _named(which: Which) -> dict[str, Any]:
    """The part of the body that names the messages.

    Raises ValueError for a text other than `all`: a single id would be read as a list of its characters.
    """
    if isinstance(which, str):
        if which != "all":
            raise ValueError(f"{which[:60]!r} is neither a list of ids nor 'all'")
        return {"all": True}
    return {"ids": list(which)}


def _got(config: Config, path: str, query: dict[str, str | int | None]) -> Flow[Any]:
    return content_of((yield from send(config, Request("GET", path, query=query))))


def _page(page_size: int | None, page_token: str | None) -> dict[str, str | int | None]:
    return {"pageSize": page_size, "pageToken": page_token}
