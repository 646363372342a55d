"""The asynchronous client, for asyncio and trio."""

import os
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import anyio
import anyio.to_thread
import httpx2

from todoke._core import access
from todoke._core.config import configure
from todoke._core.steps import Answer, Done, Emit, Flow, Local, Send, Sleep, Writer, next_step
from todoke.async_jobs import AsyncJobs
from todoke.keys_and_audit import Me
from todoke.transport import Collecting, foreign_request, given_client, head, limits, options, our_errors

if TYPE_CHECKING:
    from todoke.async_admin import AsyncAdmin
    from todoke.async_bulk import AsyncBulk
    from todoke.async_keys import AsyncAudit, AsyncKeys
    from todoke.async_schedules import AsyncSchedules
    from todoke.async_shares import AsyncShares
    from todoke.async_types import AsyncTypes
    from todoke.async_webhooks import AsyncWebhooks

T = TypeVar("T")


class AsyncTodoke:
    """The API at `url` (default: TODOKE_URL, else http://localhost:8000), with `api_key` (default: TODOKE_API_KEY).

    `timeout` limits the seconds that a response may take, and `connect` those for a connection. During an outage a
    request is retried up to `max_retries` times. The pauses grow to 8 s, or are as long as the server asks for, up to
    `max_wait`.

    Pass an `http_client` for proxies, certificates and the like. You remain responsible for closing it, and each wait,
    stream and download occupies one of its connections. The default client opens as many as those need.

    One client serves any number of tasks. Close it, or use `async with`. Raises ValueError for invalid arguments, and
    TypeError for an `http_client` of any library other than httpx2.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = 30.0,
        connect: float = 5.0,
        max_retries: int = 3,
        max_wait: float = 60.0,
        http_client: httpx2.AsyncClient | None = None,
        user_agent_suffix: str = "",
    ) -> None:
        self._config = configure(
            url, api_key, timeout=timeout, connect=connect, max_retries=max_retries, max_wait=max_wait,
            user_agent_suffix=user_agent_suffix,
        )  # fmt: skip
        self._given = given_client(http_client, httpx2.AsyncClient)
        self._own: dict[bool, httpx2.AsyncClient] = {}
        self._process = os.getpid()
        self.jobs = AsyncJobs(self._config, self._run, self._iterate)
        """Submit jobs, read them, wait for them, and download their files."""

    @cached_property
    def types(self) -> "AsyncTypes":
        """The report types that can be requested."""
        from todoke.async_types import AsyncTypes

        return AsyncTypes(self._config, self._run)

    @cached_property
    def bulk(self) -> "AsyncBulk":
        """One action on all jobs that match a filter."""
        from todoke.async_bulk import AsyncBulk

        return AsyncBulk(self._config, self._run, self._iterate)

    @cached_property
    def schedules(self) -> "AsyncSchedules":
        """Reports that run on a schedule."""
        from todoke.async_schedules import AsyncSchedules

        return AsyncSchedules(self._config, self._run, self._iterate)

    @cached_property
    def shares(self) -> "AsyncShares":
        """Links that download a file without a key."""
        from todoke.async_shares import AsyncShares

        return AsyncShares(self._config, self._run, self._iterate)

    @cached_property
    def webhooks(self) -> "AsyncWebhooks":
        """Addresses that receive events."""
        from todoke.async_webhooks import AsyncWebhooks

        return AsyncWebhooks(self._config, self._run, self._iterate)

    @cached_property
    def keys(self) -> "AsyncKeys":
        """The tenant's API keys."""
        from todoke.async_keys import AsyncKeys

        return AsyncKeys(self._config, self._run)

    @cached_property
    def audit(self) -> "AsyncAudit":
        """The audit trail."""
        from todoke.async_keys import AsyncAudit

        return AsyncAudit(self._config, self._run, self._iterate)

    @cached_property
    def admin(self) -> "AsyncAdmin":
        """Operating the service: its state, pauses, caps, and messages that were put aside."""
        from todoke.async_admin import AsyncAdmin

        return AsyncAdmin(self._config, self._run)

    async def me(self) -> Me:
        """Return who the server takes this client for, and its scopes. Raises ApiError and ConnectionFailed."""
        return await self._run(access.me(self._config))

    @property
    def url(self) -> str:
        """The address of the API."""
        return self._config.url

    async def close(self) -> None:
        """Close the connections. If the client is used again, it opens new ones."""
        own, self._own = self._own, {}
        if self._process == os.getpid():
            for client in own.values():
                await client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    async def _run(self, flow: Flow[T]) -> T:
        """Run a flow and return its result."""
        last = Done(None)
        async with aclosing(self._carry_out(flow)) as parts:
            async for part in parts:
                if isinstance(part, Done):
                    last = part
        result: T = last.result
        return result

    async def _iterate(self, flow: Flow[Any]) -> AsyncGenerator[Any]:
        """Run a flow and yield what it emits."""
        async with aclosing(self._carry_out(flow)) as parts:
            async for part in parts:
                if isinstance(part, Emit):
                    yield part.item

    async def _carry_out(self, flow: Flow[Any]) -> AsyncGenerator[Emit | Done]:
        """Yield what the flow emits, and its result last: an asynchronous generator cannot return a value."""
        step = next_step(flow)
        while not isinstance(step, Done):
            if isinstance(step, Emit):
                yield step
                step = next_step(flow)
                continue
            try:
                came = None
                if isinstance(step, Send):
                    async with aclosing(self._send(step)) as parts:
                        async for part in parts:
                            if isinstance(part, Emit):
                                yield part
                            else:
                                came = part
                else:
                    came = await _do(step)
            except BaseException as error:  # noqa: BLE001 - the flow decides, and it may clean up
                step = next_step(flow, error=error)
            else:
                step = next_step(flow, came)
        yield step

    async def _send(self, step: Send) -> AsyncGenerator[Emit | Answer]:
        with our_errors(step):
            client = self._http(long=step.long)
            request = foreign_request(step) if step.foreign else client.build_request(**options(step))
            auth = None if step.foreign else httpx2.USE_CLIENT_DEFAULT
            response = await client.send(request, stream=True, follow_redirects=False, auth=auth)
            try:
                answer = head(response)
                writer = step.writer_for(answer) if step.writer_for else None
                if writer is None:
                    whole = Collecting(step)
                    async for piece in response.aiter_bytes():
                        whole.add(piece)
                    yield Answer(answer.status, answer.headers, whole.body())
                    return
                async for piece in response.aiter_raw():
                    for item in await _write(writer, piece):
                        yield Emit(item)
                    if writer.enough:
                        break
                yield answer
            finally:
                await response.aclose()

    def _http(self, *, long: bool) -> httpx2.AsyncClient:
        """Return the caller's HTTP client, or one that this process opened."""
        if self._given is not None:
            return self._given
        if self._process != os.getpid():
            self._own, self._process = {}, os.getpid()
        own = self._own  # another thread may close this client
        return own.get(long) or own.setdefault(long, httpx2.AsyncClient(limits=limits(long=long)))


async def _write(writer: Writer, piece: bytes) -> Iterable[Any]:
    if writer.blocking:
        return await anyio.to_thread.run_sync(writer.write, piece)
    return writer.write(piece)


async def _do(step: Sleep | Local) -> Any:
    if isinstance(step, Sleep):
        return await anyio.sleep(step.seconds)
    return await anyio.to_thread.run_sync(step.run)
