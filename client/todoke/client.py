"""The client that blocks."""

import os
import time
from collections.abc import Generator
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import httpx2

from todoke._core import access
from todoke._core.config import configure
from todoke._core.steps import Answer, Done, Emit, Flow, Local, Send, Sleep, next_step
from todoke.jobs import Jobs
from todoke.keys_and_audit import Me
from todoke.transport import Collecting, foreign_request, given_client, head, limits, options, our_errors

if TYPE_CHECKING:
    from todoke.admin import Admin
    from todoke.bulk import Bulk
    from todoke.keys import Audit, Keys
    from todoke.schedules import Schedules
    from todoke.shares import Shares
    from todoke.types import Types
    from todoke.webhooks import Webhooks

T = TypeVar("T")


class Todoke:
    """The API, at `url` (else TODOKE_URL, else http://localhost:8000), with `api_key` (else TODOKE_API_KEY).

    `timeout` is how many seconds an answer may take, and `connect` how many a connection. A request that meets an
    outage is tried `max_retries` times more, with pauses of up to 8 s, or as long as the server asks for and
    `max_wait` allows. `http_client` brings proxies, certificates and the like; it stays the caller's to close, and
    each wait, stream and download holds one of its connections: without it, they have as many as they need.

    Use one for everything, from as many threads as you like, before and after a fork; close it, or use `with`.
    Raises ValueError for arguments that make no sense, and TypeError for a client of another kind than httpx2's.
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
        http_client: httpx2.Client | None = None,
        user_agent_suffix: str = "",
    ) -> None:
        self._config = configure(
            url, api_key, timeout=timeout, connect=connect, max_retries=max_retries, max_wait=max_wait,
            user_agent_suffix=user_agent_suffix,
        )  # fmt: skip
        self._given = given_client(http_client, httpx2.Client)
        self._own: dict[bool, httpx2.Client] = {}
        self._process = os.getpid()
        self.jobs = Jobs(self._config, self._run, self._iterate)
        """Ask for reports, look at them, wait for them, download them."""

    @cached_property
    def types(self) -> "Types":
        """What can be asked for."""
        from todoke.types import Types

        return Types(self._config, self._run)

    @cached_property
    def bulk(self) -> "Bulk":
        """One thing done to all jobs of a filter."""
        from todoke.bulk import Bulk

        return Bulk(self._config, self._run, self._iterate)

    @cached_property
    def schedules(self) -> "Schedules":
        """Reports that come by themselves."""
        from todoke.schedules import Schedules

        return Schedules(self._config, self._run, self._iterate)

    @cached_property
    def shares(self) -> "Shares":
        """Links to files that work without a key."""
        from todoke.shares import Shares

        return Shares(self._config, self._run, self._iterate)

    @cached_property
    def webhooks(self) -> "Webhooks":
        """Who is told what has happened."""
        from todoke.webhooks import Webhooks

        return Webhooks(self._config, self._run, self._iterate)

    @cached_property
    def keys(self) -> "Keys":
        """API keys of the tenant."""
        from todoke.keys import Keys

        return Keys(self._config, self._run)

    @cached_property
    def audit(self) -> "Audit":
        """Who changed what."""
        from todoke.keys import Audit

        return Audit(self._config, self._run, self._iterate)

    @cached_property
    def admin(self) -> "Admin":
        """What is paused and capped, for those who run the service."""
        from todoke.admin import Admin

        return Admin(self._config, self._run)

    def me(self) -> Me:
        """Who this client is for the server, and what it may do. Raises ApiError and ConnectionFailed."""
        return self._run(access.me(self._config))

    @property
    def url(self) -> str:
        """Where the API is."""
        return self._config.url

    def close(self) -> None:
        """Close the connections. A client that is used again opens new ones."""
        own, self._own = self._own, {}
        if self._process == os.getpid():
            for client in own.values():
                client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def _run(self, flow: Flow[T]) -> T:
        """Carry a flow out. Returns its result."""
        items = self._iterate(flow)
        while True:
            try:
                next(items)
            except StopIteration as done:
                result: T = done.value
                return result

    def _iterate(self, flow: Flow[T]) -> Generator[Any, None, T]:
        """Carry a flow out, and give what it emits as it comes."""
        step = next_step(flow)
        while not isinstance(step, Done):
            if isinstance(step, Emit):
                yield step.item
                step = next_step(flow)
                continue
            try:
                came = (yield from self._send(step)) if isinstance(step, Send) else _do(step)
            except BaseException as error:  # noqa: BLE001 - the flow decides, and it may clean up
                step = next_step(flow, error=error)
            else:
                step = next_step(flow, came)
        result: T = step.result
        return result

    def _send(self, step: Send) -> Generator[Any, None, Answer]:
        with our_errors(step):
            client = self._http(long=step.long)
            request = foreign_request(step) if step.foreign else client.build_request(**options(step))
            auth = None if step.foreign else httpx2.USE_CLIENT_DEFAULT
            response = client.send(request, stream=True, follow_redirects=False, auth=auth)
            try:
                answer = head(response)
                writer = step.writer_for(answer) if step.writer_for else None
                if writer is None:
                    whole = Collecting(step)
                    for piece in response.iter_bytes():
                        whole.add(piece)
                    return Answer(answer.status, answer.headers, whole.body())
                for piece in response.iter_raw():
                    yield from writer.write(piece)
                    if writer.enough:
                        break
                return answer
            finally:
                response.close()

    def _http(self, *, long: bool) -> httpx2.Client:
        """The caller's client, or one of this process: a connection must not be used by a parent and its child."""
        if self._given is not None:
            return self._given
        if self._process != os.getpid():
            self._own, self._process = {}, os.getpid()
        own = self._own  # another thread may close this client
        return own.get(long) or own.setdefault(long, httpx2.Client(limits=limits(long=long)))


def _do(step: Sleep | Local) -> Any:
    return time.sleep(step.seconds) if isinstance(step, Sleep) else step.run()
