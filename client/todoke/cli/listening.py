"""`webhooks listen`: forwards a webhook's messages to a program on this machine, which no server can reach."""

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from todoke.cli.exits import Ended, Exit, WrongCall
from todoke.cli.following import terminated
from todoke.cli.output import Column, field
from todoke.cli.session import Session
from todoke.errors import ConnectionFailed, TodokeError

if TYPE_CHECKING:
    import httpx2

    from todoke.webhook_values import MadeWebhook, WholeDelivery

NOWHERE = "https://listen.invalid/"
"""The address of the temporary webhook: no name below `.invalid` ever resolves (RFC 2606, section 2)."""
_EVERY_S = 1.0
_TIMEOUT_S = 15.0
"""The same time that the service itself waits for an answer."""
_COLUMNS = (
    Column("MESSAGE", field("messageId")), Column("EVENT", field("type")), Column("ABOUT", field("about")),
    Column("ANSWER", field("status")), Column("MS", field("tookMs")), Column("WRONG", field("error")),
)  # fmt: skip


def listen(session: Session, to: str, wanted: Mapping[str, Any], most: int | None) -> None:
    """Forward events to `to`, signed as the service signs them; without end, or until `most` messages have been
    forwarded.

    Raises Ended when interrupted. The webhook is deleted in every case.
    """
    if urlsplit(to).scheme not in {"http", "https"} or not urlsplit(to).hostname:
        raise WrongCall(f"--forward-to {to!r}: not an address; use one such as http://localhost:3000/webhooks")
    with terminated():
        made: MadeWebhook | None = None
        try:
            made = session.todoke.webhooks.create(NOWHERE, description="todoke webhooks listen", **wanted)
            session.say(f"Forwarding events of {made.webhook.id} to {to}. Press Ctrl-C to stop.")
            session.say(f"Verify signatures with the secret {made.secret}")
            session.write.follow(_told(session, made, to, most), _COLUMNS, id_field="messageId")
        except KeyboardInterrupt:
            session.say("")
            raise Ended(Exit.INTERRUPTED) from None
        finally:
            if made is not None:
                _end(session, made.webhook.id)


def _told(session: Session, made: "MadeWebhook", to: str, most: int | None) -> Iterator[dict[str, Any]]:
    """Forward messages, without end or `most` of them, and yield the outcome of each."""
    import httpx2

    # As in the service itself, environment variables do not change the destination, and redirects are not followed.
    with httpx2.Client(timeout=_TIMEOUT_S, trust_env=False, follow_redirects=False) as http:
        seen: set[str] = set()
        while True:
            for one in _new(session, made.webhook.id, seen):
                yield _tell(http, to, made.secret or "", one)
                if most is not None and len(seen) >= most:
                    return
            time.sleep(_EVERY_S)


def _new(session: Session, webhook: str, seen: set[str]) -> Iterator["WholeDelivery"]:
    """Yield the deliveries not seen yet, oldest first. A server that is briefly unreachable is asked again."""
    fresh: list[str] = []
    try:
        for one in session.todoke.webhooks.iter(webhook, page_size=100):
            if one.id in seen:
                break  # the newest come first
            fresh.append(one.id)
    except ConnectionFailed as error:
        session.say(error)
        return
    for delivery in reversed(fresh):
        whole = session.todoke.webhooks.delivery(webhook, delivery)
        seen.add(delivery)
        yield whole


def _tell(http: "httpx2.Client", to: str, secret: str, one: "WholeDelivery") -> dict[str, Any]:
    import httpx2

    from todoke._core.signatures import sign

    body, began = one.body.encode(), time.monotonic()
    headers = {"Content-Type": "application/json", **sign(body, one.message_id, secret, now=time.time())}
    status, error = None, None
    try:
        status = http.post(to, content=body, headers=headers).status_code
    except httpx2.HTTPError as failed:
        error = f"{type(failed).__name__}: {failed}"
    return {
        "messageId": one.message_id, "type": one.type, "about": one.job_id or one.schedule_id, "status": status,
        "tookMs": round((time.monotonic() - began) * 1000), "error": error,
    }  # fmt: skip


def _end(session: Session, webhook: str) -> None:
    try:
        session.todoke.webhooks.delete(webhook)
    except TodokeError as error:
        session.say(f"{webhook} could not be deleted: {error}. To delete it: todoke webhooks delete {webhook} --yes")
