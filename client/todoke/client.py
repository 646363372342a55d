"""The synchronous client."""

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
    """The API at `url` (default: TODOKE_URL, else http://localhost:8000), with `api_key` (default: TODOKE_API_KEY).

    `timeout` limits the seconds that a response may take, and `connect` those for a connection. During an outage a
    request is retried up to `max_retries` times. The pauses grow to 8 s, or are as long as the server asks for, up to
    `max_wait`.

    Pass an `http_client` for proxies, certificates and the like. You remain responsible for closing it, and each wait,
    stream and download occupies one of its connections. The default client opens as many as those need.

    One client serves any number of threads, before and after a fork. Close it, or use `with`. Raises ValueError for
    invalid arguments, and TypeError for an `http_client` of any library other than httpx2.
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
        """Submit jobs, read them, wait for them, and download their files."""

    @cached_property
    def types(self) -> "Types":
        """The report types that can be requested."""
        from todoke.types import Types

        return Types(self._config, self._run)

    @cached_property
    def bulk(self) -> "Bulk":
        """One action on all jobs that match a filter."""
        from todoke.bulk import Bulk

        return Bulk(self._config, self._run, self._iterate)

    @cached_property
    def schedules(self) -> "Schedules":
        """Reports that run on a schedule."""
        from todoke.schedules import Schedules

        return Schedules(self._config, self._run, self._iterate)

    @cached_property
    def shares(self) -> "Shares":
        """Links that download a file without a key."""
        from todoke.shares import Shares

        return Shares(self._config, self._run, self._iterate)

    @cached_property
    def webhooks(self) -> "Webhooks":
        """Addresses that receive events."""
        from todoke.webhooks import Webhooks

        return Webhooks(self._config, self._run, self._iterate)

    @cached_property
    def keys(self) -> "Keys":
        """The tenant's API keys."""
        from todoke.keys import Keys

        return Keys(self._config, self._run)

    @cached_property
    def audit(self) -> "Audit":
        """The audit trail."""
        from todoke.keys import Audit

        return Audit(self._config, self._run, self._iterate)

    @cached_property
    def admin(self) -> "Admin":
        """Operating the service: its state, pauses, caps, and messages that were put aside."""
        from todoke.admin import Admin

        return Admin(self._config, self._run)

    def me(self) -> Me:
        """Return who the server takes this client for, and its scopes. Raises ApiError and ConnectionFailed."""
        return self._run(access.me(self._config))

    @property
    def url(self) -> str:
        """The address of the API."""
        return self._config.url

    def close(self) -> None:
        """Close the connections. If the client is used again, it opens new ones."""
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
        """Run a flow and return its result."""
        items = self._iterate(flow)
        while True:
            try:
                next(items)
            except StopIteration as done:
                result: T = done.value
                return result

    def _iterate(self, flow: Flow[T]) -> Generator[Any, None, T]:
        """Run a flow, yield what it emits, and return its result."""
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
        """Return the caller's HTTP client, or one that this process opened: a parent and its child must not share a
        connection.
        """
        if self._given is not None:
            return self._given
        if self._process != os.getpid():
            self._own, self._process = {}, os.getpid()
        own = self._own  # another thread may close this client
        return own.get(long) or own.setdefault(long, httpx2.Client(limits=limits(long=long)))


def _do(step: Sleep | Local) -> Any:
    return time.sleep(step.seconds) if isinstance(step, Sleep) else step.run()
