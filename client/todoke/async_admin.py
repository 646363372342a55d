"""`AsyncTodoke.admin`: the methods of `Todoke.admin`, without blocking."""

from datetime import datetime

from todoke._core import gates, operating
from todoke._core.config import Config
from todoke._core.operating import Which
from todoke._core.steps import AsyncRun
from todoke.gates import Gate, Gates
from todoke.installation import Overview
from todoke.put_aside import DeadLettersPage, HandledMessages, ParkedMessagesPage


class AsyncAdmin:
    """How all tenants' work stands, what is paused and capped, and which messages were put aside.

    For keys with the scopes `admin:read` and `admin:write`. A `kind` is `tenant`, `report_type` or `source`. Every
    method raises ApiError and ConnectionFailed.
    """

    def __init__(self, config: Config, run: AsyncRun) -> None:
        self._config = config
        self._run = run

    async def list_gates(self, *, kind: str | None = None) -> Gates:
        """Everything that is paused or capped."""
        return await self._run(gates.list_gates(self._config, kind))

    async def get_gate(self, kind: str, name: str) -> Gate:
        """What holds for one of them, which may be nothing."""
        return await self._run(gates.get_gate(self._config, kind, name))

    async def pause(
        self, kind: str, name: str, *, reason: str, until: datetime | str | None = None, if_match: str | None = None
    ) -> Gate:
        """Start no more of its jobs; they wait, and their deadlines stand still. Clients are told the reason."""
        return await self._run(gates.pause(self._config, kind, name, reason=reason, until=until, if_match=if_match))

    async def resume(self, kind: str, name: str, *, if_match: str | None = None) -> Gate:
        """End its pause. Jobs get back the time that they stood still, and then start in turns."""
        return await self._run(gates.resume(self._config, kind, name, if_match=if_match))

    async def set_cap(self, kind: str, name: str, most_running: int, *, if_match: str | None = None) -> Gate:
        """Let at most so many of its jobs run at the same time. What runs already goes on, and counts."""
        return await self._run(gates.set_cap(self._config, kind, name, most_running, if_match=if_match))

    async def remove_cap(self, kind: str, name: str, *, if_match: str | None = None) -> None:
        """Let any number of its jobs run."""
        return await self._run(gates.remove_cap(self._config, kind, name, if_match=if_match))

    async def set_queue_cap(self, tenant: str, most_unfinished: int, *, if_match: str | None = None) -> Gate:
        """Let a tenant have at most so many unfinished jobs; more are refused with RateLimited."""
        return await self._run(gates.set_queue_cap(self._config, tenant, most_unfinished, if_match=if_match))

    async def remove_queue_cap(self, tenant: str, *, if_match: str | None = None) -> None:
        """Let a tenant have any number of jobs."""
        return await self._run(gates.remove_queue_cap(self._config, tenant, if_match=if_match))

    async def overview(self, *, period: str = "1h") -> Overview:
        """How the whole installation stands. `period` is how far back its history goes: `1h`, `24h` or `7d`."""
        return await self._run(operating.overview(self._config, period))

    async def list_dead_letters(
        self, *, page_size: int | None = None, page_token: str | None = None
    ) -> DeadLettersPage:
        """One page of what lies in the dead-letter queue, as a relay has copied it."""
        return await self._run(operating.list_dead_letters(self._config, page_size=page_size, page_token=page_token))

    async def redrive_dead_letters(self, which: Which, *, reason: str, dry_run: bool = False) -> HandledMessages:
        """Let a relay send dead letters to the queue again, within seconds: a list of ids, or `"all"` that name a job.

        `reason` stands in the audit trail; with `dry_run` it is only told what would be done. Once more is harmless.
        """
        return await self._run(operating.redrive_dead_letters(self._config, which, reason=reason, dry_run=dry_run))

    async def drop_dead_letters(self, which: Which, *, reason: str, dry_run: bool = False) -> HandledMessages:
        """Let a relay delete dead letters, within seconds: a list of ids, or `"all"`. No job is lost by it."""
        return await self._run(operating.drop_dead_letters(self._config, which, reason=reason, dry_run=dry_run))

    async def list_parked_messages(
        self, *, page_size: int | None = None, page_token: str | None = None
    ) -> ParkedMessagesPage:
        """One page of the messages of the outbox that can never be sent as they are."""
        return await self._run(operating.list_parked_messages(self._config, page_size=page_size, page_token=page_token))

    async def requeue_parked_messages(self, which: Which, *, reason: str, dry_run: bool = False) -> HandledMessages:
        """Let the relay send parked messages again, at once: a list of ids, or `"all"`."""
        return await self._run(operating.requeue_parked_messages(self._config, which, reason=reason, dry_run=dry_run))

    async def drop_parked_messages(self, which: Which, *, reason: str, dry_run: bool = False) -> HandledMessages:
        """Delete parked messages, which nobody will send: a list of ids, or `"all"`."""
        return await self._run(operating.drop_parked_messages(self._config, which, reason=reason, dry_run=dry_run))
