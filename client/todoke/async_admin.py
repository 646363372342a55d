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
    """The state of the whole installation, pauses and caps, and messages that were put aside.

    Requires the scopes `admin:read` and `admin:write`. A `kind` is `tenant`, `report_type` or `source`. Every method
    raises ApiError and ConnectionFailed.
    """

    def __init__(self, config: Config, run: AsyncRun) -> None:
        self._config = config
        self._run = run

    async def list_gates(self, *, kind: str | None = None) -> Gates:
        """Return everything that is paused or capped."""
        return await self._run(gates.list_gates(self._config, kind))

    async def get_gate(self, kind: str, name: str) -> Gate:
        """Return the pause and the caps of one tenant, report type or source. A gate may have neither."""
        return await self._run(gates.get_gate(self._config, kind, name))

    async def pause(
        self, kind: str, name: str, *, reason: str, until: datetime | str | None = None, if_match: str | None = None
    ) -> Gate:
        """Start no more of its jobs. They wait, and their deadlines stand still. Clients are shown the reason."""
        return await self._run(gates.pause(self._config, kind, name, reason=reason, until=until, if_match=if_match))

    async def resume(self, kind: str, name: str, *, if_match: str | None = None) -> Gate:
        """End its pause. Deadlines are extended by the time that they stood still, and the waiting jobs
        start in turns.
        """
        return await self._run(gates.resume(self._config, kind, name, if_match=if_match))

    async def set_cap(self, kind: str, name: str, most_running: int, *, if_match: str | None = None) -> Gate:
        """Let at most `most_running` of its jobs run at the same time. Running jobs continue, and count."""
        return await self._run(gates.set_cap(self._config, kind, name, most_running, if_match=if_match))

    async def remove_cap(self, kind: str, name: str, *, if_match: str | None = None) -> None:
        """Remove the limit on its running jobs."""
        return await self._run(gates.remove_cap(self._config, kind, name, if_match=if_match))

    async def set_queue_cap(self, tenant: str, most_unfinished: int, *, if_match: str | None = None) -> Gate:
        """Limit a tenant's unfinished jobs to `most_unfinished`; further requests raise RateLimited."""
        return await self._run(gates.set_queue_cap(self._config, tenant, most_unfinished, if_match=if_match))

    async def remove_queue_cap(self, tenant: str, *, if_match: str | None = None) -> None:
        """Remove the limit on a tenant's unfinished jobs."""
        return await self._run(gates.remove_queue_cap(self._config, tenant, if_match=if_match))

    async def overview(self, *, period: str = "1h") -> Overview:
        """Return the state of the whole installation. `period` is the length of its history: `1h`, `24h` or `7d`."""
        return await self._run(operating.overview(self._config, period))

    async def list_dead_letters(
        self, *, page_size: int | None = None, page_token: str | None = None
    ) -> DeadLettersPage:
        """Return one page of the dead-letter queue, as a relay has copied it."""
        return await self._run(operating.list_dead_letters(self._config, page_size=page_size, page_token=page_token))

    async def redrive_dead_letters(self, which: Which, *, reason: str, dry_run: bool = False) -> HandledMessages:
        """Have a relay send dead letters to the queue again, within seconds. Safe to repeat.

        `which` is a list of ids, or `"all"` for those that name a job. `reason` is recorded in the audit trail. With
        `dry_run`, nothing changes: the answer shows what would be done.
        """
        return await self._run(operating.redrive_dead_letters(self._config, which, reason=reason, dry_run=dry_run))

    async def drop_dead_letters(self, which: Which, *, reason: str, dry_run: bool = False) -> HandledMessages:
        """Have a relay delete dead letters, within seconds: a list of ids, or `"all"`. No job is lost."""
        return await self._run(operating.drop_dead_letters(self._config, which, reason=reason, dry_run=dry_run))

    async def list_parked_messages(
        self, *, page_size: int | None = None, page_token: str | None = None
    ) -> ParkedMessagesPage:
        """Return one page of the outbox messages that can never be sent as they are."""
        return await self._run(operating.list_parked_messages(self._config, page_size=page_size, page_token=page_token))

    async def requeue_parked_messages(self, which: Which, *, reason: str, dry_run: bool = False) -> HandledMessages:
        """Have the relay send parked messages again, at once: a list of ids, or `"all"`."""
        return await self._run(operating.requeue_parked_messages(self._config, which, reason=reason, dry_run=dry_run))

    async def drop_parked_messages(self, which: Which, *, reason: str, dry_run: bool = False) -> HandledMessages:
        """Delete parked messages, which are then never sent: a list of ids, or `"all"`."""
        return await self._run(operating.drop_parked_messages(self._config, which, reason=reason, dry_run=dry_run))
