"""Show, resend and drop dead letters of the queue and parked messages of the outbox. For operators, across all tenants.

A change of a dead letter is a request that a relay carries out: the API never talks to the queue.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from anyio import to_thread
from sqlalchemy.engine import Connection

from services.api.actions.auditing import audited
from services.api.actions.page_tokens import Listing
from services.api.actions.parts import Parts
from services.api.actions.transactions import in_one_transaction
from services.api.auth.principal import Principal
from shared.access.audit import Action
from shared.access.scopes import Scope
from shared.outbox import dead_letters, parked
from shared.outbox.dead_letters import DeadLetterRow, Wish
from shared.outbox.parked import ParkedRow

MOST = dead_letters.MOST
"""Messages that one request is for."""


class Wanted(NamedTuple):
    """What to do, and with which messages."""

    ids: Sequence[str]
    """Empty selects all, up to MOST. A dead letter that names no job is resent only if its id is given."""
    reason: str
    """The reason, for the audit trail."""
    dry_run: bool = False
    """True only reports what would be done."""


class Done(NamedTuple):
    """What was done, or would be done."""

    ids: Sequence[str]
    missing: Sequence[str]
    """Ids that were given but not found, or are already being handled."""
    dry_run: bool
    more: bool = False
    """True if there are more messages than one request handles."""


class FoundDeadLetters(NamedTuple):
    """One page of dead letters, in the order in which they were first seen."""

    rows: Sequence[DeadLetterRow]
    next_page_token: str | None


class FoundParked(NamedTuple):
    """One page of parked messages, the oldest first."""

    rows: Sequence[ParkedRow]
    next_page_token: str | None


async def list_dead_letters(
    parts: Parts, principal: Principal, *, size: int, token: str | None = None
) -> FoundDeadLetters:
    """List the dead-letter queue, as copied by a relay. Raises PageTokenInvalid and its like."""

    def look(conn: Connection, after: int) -> Sequence[DeadLetterRow]:
        return dead_letters.list_rows(conn, size=size + 1, after=after)

    principal.need(Scope.ADMIN_READ)
    return FoundDeadLetters(*await _page(parts, Listing("dead-letters", principal, {}), size, token, look))


async def list_parked(parts: Parts, principal: Principal, *, size: int, token: str | None = None) -> FoundParked:
    """List the messages that can never be sent as they are. Raises PageTokenInvalid and its like."""

    def look(conn: Connection, after: int) -> Sequence[ParkedRow]:
        return parked.parked(conn, most=size + 1, after=after)

    principal.need(Scope.ADMIN_READ)
    return FoundParked(*await _page(parts, Listing("parked", principal, {}), size, token, look))


async def redrive(parts: Parts, principal: Principal, wanted: Wanted) -> Done:
    """Ask a relay to send dead letters to the queue again, within seconds."""
    return await _wish(parts, principal, Wish.REDRIVE, wanted)


async def drop_dead_letters(parts: Parts, principal: Principal, wanted: Wanted) -> Done:
    """Ask a relay to delete dead letters, within seconds."""
    return await _wish(parts, principal, Wish.DROP, wanted)


async def _wish(parts: Parts, principal: Principal, verb: Wish, wanted: Wanted) -> Done:
    """Request `verb` for the wanted dead letters, with an audit entry for each. A dry run only reports them."""

    def carry_out(conn: Connection) -> Done:
        found = dead_letters.find(conn, wanted.ids) if wanted.ids else dead_letters.find_all(conn, verb, most=MOST + 1)
        by_id = {row.message_id: row for row in found[:MOST]}
        more = len(found) > MOST
        if wanted.dry_run:
            return _done(wanted, by_id, more=more)
        taken = dead_letters.wish_for(conn, list(by_id), verb, by=principal.subject)
        action = Action.DEAD_LETTERS_REDRIVE if verb is Wish.REDRIVE else Action.DEAD_LETTERS_DROP
        for message_id in by_id:
            if message_id in taken:
                before = _about_dead_letter(by_id[message_id])
                what = f"dead-letters/{message_id}"[:300]
                audited(conn, principal, action, what, before=before, after={"reason": wanted.reason})
        return _done(wanted, taken, more=more)

    principal.need(Scope.ADMIN_WRITE)
    return await in_one_transaction(parts, carry_out)


async def requeue(parts: Parts, principal: Principal, wanted: Wanted) -> Done:
    """Make the relay send parked messages again, at once."""
    return await _change_parked(parts, principal, Action.OUTBOX_REQUEUE, wanted)


async def drop_parked(parts: Parts, principal: Principal, wanted: Wanted) -> Done:
    """Delete parked messages without sending them."""
    return await _change_parked(parts, principal, Action.OUTBOX_DROP, wanted)


async def _change_parked(parts: Parts, principal: Principal, action: Action, wanted: Wanted) -> Done:
    """Requeue or drop the wanted parked messages, with an audit entry for each. A dry run only reports them."""

    def carry_out(conn: Connection) -> Done:
        numbers = [int(one) for one in wanted.ids if _is_number(one)]
        found = parked.find_parked(conn, numbers) if wanted.ids else parked.parked(conn, most=MOST + 1)
        by_id = {row.id: row for row in found[:MOST]}
        more = len(found) > MOST
        if wanted.dry_run:
            return _done(wanted, map(str, by_id), more=more)
        again = action is Action.OUTBOX_REQUEUE
        ids = list(by_id)
        changed = parked.requeue(conn, ids, reason=wanted.reason) if again else parked.drop(conn, ids)
        for number in sorted(changed):
            row = by_id[number]
            before = {
                "topic": row.topic,
                "tenant": row.group_key,
                "attempts": row.attempts,
                "lastError": row.last_error,
            }
            audited(conn, principal, action, f"outbox/{number}", before=before, after={"reason": wanted.reason})
        return _done(wanted, map(str, sorted(changed)), more=more)

    principal.need(Scope.ADMIN_WRITE)
    return await in_one_transaction(parts, carry_out)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19


def _done(wanted: Wanted, changed: Iterable[str], *, more: bool) -> Done:
    ids = sorted(changed)
    return Done(ids, sorted(set(wanted.ids).difference(ids)), wanted.dry_run, more)


def _about_dead_letter(row: DeadLetterRow) -> Mapping[str, Any]:
    job_id = None if row.job_id is None else str(row.job_id)
    return {"jobId": job_id, "tenant": row.tenant, "why": row.reason}


async def _page(
    parts: Parts, listing: Listing, size: int, token: str | None, look: Callable[[Connection, int], Sequence[Any]]
) -> tuple[Sequence[Any], str | None]:
    """Return rows in the order of their `id`, and where the next page begins.

    `look` returns one row more if there is one.
    """

    def read() -> tuple[Sequence[Any], str | None]:
        with parts.engine.connect() as conn:
            after = 0 if token is None else parts.page_tokens.read(conn, listing, token).int
            found = look(conn, min(after, 2**63 - 1))
            if len(found) <= size:
                return found, None
            return found[:size], parts.page_tokens.write(conn, listing, UUID(int=found[size - 1].id))

    return await to_thread.run_sync(read)
